package conversion

// Options are a user's wishes for the MP3. The zero value of each is the
// service's default.
type Options struct {
	Bitrate    int     `bson:"bitrate,omitempty" json:"bitrate,omitempty"`       // kbit/s, constant
	Quality    *int    `bson:"quality,omitempty" json:"quality,omitempty"`       // variable bitrate, 0 (best) to 9
	SampleRate int     `bson:"sampleRate,omitempty" json:"sampleRate,omitempty"` // samples a second
	Channels   int     `bson:"channels,omitempty" json:"channels,omitempty"`     // 1 or 2
	Normalize  bool    `bson:"normalize,omitempty" json:"normalize,omitempty"`   // to -16 LUFS, by EBU R128
	Start      float64 `bson:"start,omitempty" json:"start,omitempty"`           // seconds into the video where the part to convert begins
	End        float64 `bson:"end,omitempty" json:"end,omitempty"`               // and where it ends; at the end of the video if zero
	Track      string  `bson:"track,omitempty" json:"track,omitempty"`           // number among the sound tracks, from 1, or language
	Title      string  `bson:"title,omitempty" json:"title,omitempty"`
	Artist     string  `bson:"artist,omitempty" json:"artist,omitempty"`
	Album      string  `bson:"album,omitempty" json:"album,omitempty"`
	Comment    string  `bson:"comment,omitempty" json:"comment,omitempty"`
	Cover      Cover   `bson:"cover,omitempty" json:"cover,omitempty"`
	NoChapters bool    `bson:"noChapters,omitempty" json:"noChapters,omitempty"`
}

// Cover is where the MP3's picture comes from.
type Cover string

const (
	CoverKept  Cover = ""      // the picture that the source carries, if any
	CoverNone  Cover = "none"  // no picture
	CoverFrame Cover = "frame" // a frame of the video
)

// Reencodes reports whether the wishes can only be met by encoding the sound
// anew.
func (o Options) Reencodes() bool {
	return o.Bitrate != 0 || o.Quality != nil || o.SampleRate != 0 || o.Channels != 0 || o.Normalize || o.Start != 0 || o.End != 0
}
