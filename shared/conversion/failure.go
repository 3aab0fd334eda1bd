// Package conversion defines what users can ask of a conversion, what it reports of
// a video, and why it can fail for good.
package conversion

// Failure is why a job failed, for the user to read. Code is stable; the words
// may change.
type Failure struct {
	Code    string `bson:"code" json:"code"`
	Message string `bson:"message" json:"message"`
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

// Is makes errors.Is compare failures by their code. Failures of one code may have
// different messages.
func (f *Failure) Is(target error) bool {
	other, ok := target.(*Failure)
	return ok && f.Code == other.Code
}

// The permanent failures.
var (
	Corrupt           = &Failure{"corrupt", "The file is damaged or cut off. Please export or download it again and upload the new copy, or upload this one with the option salvage=true to convert the sound that it still holds."}
	NoAudio           = &Failure{"no_audio", "The video has no sound track, so there is nothing to turn into an MP3."}
	Unsupported       = &Failure{"unsupported", "The file is not a video or audio format that this service can read. MP4, MOV, MKV, WebM, AVI, MPEG and most others work."}
	DRM               = &Failure{"drm", "The file is copy-protected, and its sound cannot be decoded without the key."}
	TooLong           = &Failure{"too_long", "The video is longer than this service accepts."}
	TooLarge          = &Failure{"too_large", "The MP3 would be larger than this service can store."}
	TimeLimit         = &Failure{"time_limit", "Converting the video took longer than this service allows for a video of this length."}
	MemoryLimit       = &Failure{"memory_limit", "Converting the video needs more memory than this service allows."}
	NoSuchTrack       = &Failure{"no_such_track", "The video has no sound track of that number or language. The field \"source\" of the job lists its tracks."}
	OutOfRange        = &Failure{"out_of_range", "The part that was asked for lies outside of the video."}
	AttemptsExhausted = &Failure{"attempts_exhausted", "The conversion was tried several times and never finished. Please try again later, or with another copy of the file."}
	VideoMissing      = &Failure{"video_missing", "The uploaded video is no longer stored. Please upload it again."}
)

// Retryable reports whether the same video may be converted when it is tried again: the
// failure may have come from the load or the limits of the machine. TooLong and TooLarge are
// not among them: they depend on the video and on the operator's limits alone, so that the
// next attempt would end in the same way.
func (f *Failure) Retryable() bool {
	return f != nil && (f.Code == AttemptsExhausted.Code || f.Code == TimeLimit.Code || f.Code == MemoryLimit.Code)
}

// Failures with the code of Corrupt that salvage=true cannot help.
var (
	IndexLost       = &Failure{"corrupt", "The file is cut off, and the part that is left does not have the whole index. Without it no sound can be found, not even with the option salvage=true. Please export or download it again and upload the new copy."}
	NothingSalvaged = &Failure{"corrupt", "The file is damaged or cut off, and no sound could be salvaged. Please export or download it again and upload the new copy."}
)

// Failures lists one failure for each code that a job can have.
var Failures = []*Failure{
	Corrupt, NoAudio, Unsupported, DRM, TooLong, TooLarge, TimeLimit, MemoryLimit, NoSuchTrack, OutOfRange, AttemptsExhausted, VideoMissing,
}
