package conversion

// Options are what a user asked for. The zero value of each field is the default.
type Options struct {
	Bitrate    int     `bson:"bitrate,omitempty" json:"bitrate,omitempty"`       // kbit/s, constant
	Quality    *int    `bson:"quality,omitempty" json:"quality,omitempty"`       // variable bitrate, 0 (best) to 9
	SampleRate int     `bson:"sampleRate,omitempty" json:"sampleRate,omitempty"` // Hz
	Channels   int     `bson:"channels,omitempty" json:"channels,omitempty"`     // 1 or 2
	Normalize  bool    `bson:"normalize,omitempty" json:"normalize,omitempty"`   // to -16 LUFS (EBU R128)
	Start      float64 `bson:"start,omitempty" json:"start,omitempty"`           // seconds; where the part to convert begins
	End        float64 `bson:"end,omitempty" json:"end,omitempty"`               // seconds; where it ends, or 0 for the end of the video
	Track      string  `bson:"track,omitempty" json:"track,omitempty"`           // number of the audio track, from 1, or its language
	Title      string  `bson:"title,omitempty" json:"title,omitempty"`
	Artist     string  `bson:"artist,omitempty" json:"artist,omitempty"`
	Album      string  `bson:"album,omitempty" json:"album,omitempty"`
	Comment    string  `bson:"comment,omitempty" json:"comment,omitempty"`
	Cover      Cover   `bson:"cover,omitempty" json:"cover,omitempty"`
	NoChapters bool    `bson:"noChapters,omitempty" json:"noChapters,omitempty"`
	Salvage    bool    `bson:"salvage,omitempty" json:"salvage,omitempty"` // convert what a damaged file still holds
}

// Cover is where the MP3's picture comes from.
type Cover string

const (
	CoverKept  Cover = ""      // the picture attached to the video, if any
	CoverNone  Cover = "none"  // no picture
	CoverFrame Cover = "frame" // a frame of the video
)

// Reencodes reports whether the options rule out copying the audio of a source
// that is MP3 already. The frames of a damaged file may be damaged.
func (o Options) Reencodes() bool {
	return o.Bitrate != 0 || o.Quality != nil || o.SampleRate != 0 || o.Channels != 0 || o.Normalize || o.Start != 0 || o.End != 0 || o.Salvage
}

// AllOptions lists the options of the API. ParseOptions and FormatOptions use it, and
// the schema in openapi.yaml and the table in docs/conversion.md are generated from
// it. Options are applied in this order: preset first, so that the others override
// it.
var AllOptions = []Option{
	{
		Name: "preset", Values: Names{"speech", "standard", "high"},
		Description: "A set of options, which the others override. `speech`: 64 kbit/s, mono, normalized. `standard`: the defaults. `high`: 320 kbit/s.",
		set:         func(o *Options, v any) { *o = presets[v.(string)] },
		get:         func(Options) any { return nil }, // a job shows the options that the preset set
	},
	{
		Name: "bitrate", Values: Integers{64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
		Description: "Constant bitrate in kbit/s. Default: 192, or as the operator configured it.",
		set:         func(o *Options, v any) { o.Bitrate, o.Quality = v.(int), nil },
		get:         func(o Options) any { return unlessZero(o.Bitrate) },
	},
	{
		Name: "quality", Values: Range{0, 9},
		Description: "Variable bitrate instead of a constant one; 0 is best.",
		set:         func(o *Options, v any) { n := v.(int); o.Bitrate, o.Quality = 0, &n },
		get: func(o Options) any {
			if o.Quality == nil {
				return nil
			}
			return *o.Quality
		},
	},
	{
		Name: "sample_rate", Values: Integers{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000},
		Description: "Sample rate in Hz. Default: the source's.",
		set:         func(o *Options, v any) { o.SampleRate = v.(int) },
		get:         func(o Options) any { return unlessZero(o.SampleRate) },
	},
	{
		Name: "channels", Values: Names{"mono", "stereo"},
		Description: "Number of channels. Default: the source's, but at most stereo.",
		aliases:     map[string]string{"1": "mono", "2": "stereo"},
		set:         func(o *Options, v any) { o.Channels = channels[v.(string)] },
		get:         func(o Options) any { return nameOf(channels, o.Channels) },
	},
	{
		Name: "normalize", Values: Boolean{},
		Description: "Normalize the loudness to -16 LUFS (EBU R128), in two passes. Default: false.",
		set:         func(o *Options, v any) { o.Normalize = v.(bool) },
		get:         func(o Options) any { return unlessZero(o.Normalize) },
	},
	{
		Name: "start", Values: Time{},
		Description: "Where the part to convert begins. Default: at the beginning.",
		set:         func(o *Options, v any) { o.Start = v.(float64) },
		get:         func(o Options) any { return unlessZero(o.Start) },
	},
	{
		Name: "end", Values: Time{},
		Description: "Where the part to convert ends. Default: at the end.",
		set:         func(o *Options, v any) { o.End = v.(float64) },
		get:         func(o Options) any { return unlessZero(o.End) },
	},
	{
		Name: "track", Values: TrackSelector{},
		Description: "Which audio track to convert. Default: the one the container marks as default.",
		set:         func(o *Options, v any) { o.Track = v.(string) },
		get:         func(o Options) any { return unlessZero(o.Track) },
	},
	{
		Name: "title", Values: Text{},
		Description: "Title tag. Default: the source's, or the name of the file.",
		set:         func(o *Options, v any) { o.Title = v.(string) },
		get:         func(o Options) any { return unlessZero(o.Title) },
	},
	{
		Name: "artist", Values: Text{},
		Description: "Artist tag. Default: the source's.",
		set:         func(o *Options, v any) { o.Artist = v.(string) },
		get:         func(o Options) any { return unlessZero(o.Artist) },
	},
	{
		Name: "album", Values: Text{},
		Description: "Album tag. Default: the source's.",
		set:         func(o *Options, v any) { o.Album = v.(string) },
		get:         func(o Options) any { return unlessZero(o.Album) },
	},
	{
		Name: "comment", Values: Text{},
		Description: "Comment tag. Default: the source's.",
		set:         func(o *Options, v any) { o.Comment = v.(string) },
		get:         func(o Options) any { return unlessZero(o.Comment) },
	},
	{
		Name: "cover", Values: Names{"keep", "none", "frame"},
		Description: "The picture attached to the source, none, or a frame of the video. Default: keep.",
		set:         func(o *Options, v any) { o.Cover = covers[v.(string)] },
		get:         func(o Options) any { return nameOf(covers, o.Cover) },
	},
	{
		Name: "chapters", Values: Names{"keep", "drop"},
		Description: "Whether the source's chapters are carried over. Default: keep.",
		set:         func(o *Options, v any) { o.NoChapters = v == "drop" },
		get: func(o Options) any {
			if o.NoChapters {
				return "drop"
			}
			return nil
		},
	},
	{
		Name: "salvage", Values: Boolean{},
		Description: "Convert the sound that a damaged or cut-off file still holds. `source.missingSeconds` of the job says how much is missing. Default: false.",
		set:         func(o *Options, v any) { o.Salvage = v.(bool) },
		get:         func(o Options) any { return unlessZero(o.Salvage) },
	},
}

var (
	presets = map[string]Options{
		"speech":   {Bitrate: 64, Channels: 1, Normalize: true},
		"standard": {},
		"high":     {Bitrate: 320},
	}
	channels = map[string]int{"mono": 1, "stereo": 2}
	covers   = map[string]Cover{"keep": CoverKept, "none": CoverNone, "frame": CoverFrame}
)
