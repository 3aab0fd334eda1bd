package conversion

import "time"

// MediaInfo describes the uploaded file, as ffmpeg sees it.
type MediaInfo struct {
	Container  string            `bson:"container" json:"container"` // ffmpeg's name of the format
	Codec      string            `bson:"codec" json:"codec"`         // of the track that is converted
	Duration   time.Duration     `bson:"duration" json:"duration"`   // nanoseconds; of the sound that is there
	SampleRate int               `bson:"rate" json:"rate"`           // samples a second
	Channels   int               `bson:"channels" json:"channels"`
	Tracks     []Track           `bson:"tracks,omitempty" json:"tracks,omitempty"` // all that carry sound
	Tags       map[string]string `bson:"tags,omitempty" json:"tags,omitempty"`

	// Missing is how much sound a damaged or cut-off file announces, but does not hold,
	// in nanoseconds. The file announces Duration and Missing together.
	Missing time.Duration `bson:"missing,omitempty" json:"missing,omitempty"`
}

// Track is one audio track of the file.
type Track struct {
	Codec      string `bson:"codec" json:"codec"`
	Language   string `bson:"language,omitempty" json:"language,omitempty"`
	Title      string `bson:"title,omitempty" json:"title,omitempty"`
	SampleRate int    `bson:"rate" json:"sampleRate"`
	Channels   int    `bson:"channels" json:"channels"`
}
