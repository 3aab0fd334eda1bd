package notify

import "mp3converter/shared/conversion"

// advice says, by failure code, what the user can do. It is empty where the message of the
// failure says that already.
var advice = map[string]string{
	conversion.Corrupt.Code:           "",
	conversion.NoAudio.Code:           "Please check that the video plays with sound, and upload a version that does.",
	conversion.Unsupported.Code:       "Please export the video as MP4 and upload that.",
	conversion.DRM.Code:               "Please upload a copy without protection.",
	conversion.TooLong.Code:           "Please upload it in shorter parts.",
	conversion.TooLarge.Code:          "Please choose a lower bitrate, or upload the video in shorter parts.",
	conversion.TimeLimit.Code:         "Please upload the video in shorter parts.",
	conversion.MemoryLimit.Code:       "Please export the video as MP4 and upload that, or upload it in shorter parts.",
	conversion.NoSuchTrack.Code:       "Please upload the video again with one of these tracks.",
	conversion.OutOfRange.Code:        "Please upload the video again with a start and an end within it.",
	conversion.AttemptsExhausted.Code: "",
	conversion.VideoMissing.Code:      "",
}
