package problems

// requestAdvice is what to do about each rejected request, by its code. Every kind in
// shared/problem needs an entry.
var requestAdvice = map[string]string{
	"bad_request":            "Read detail, which says which part of the request is wrong, correct it and send the request again.",
	"no_file":                "Send the video as a form with one file, as curl -F file=@video.mp4 does, or as the body with ?name=video.mp4.",
	"too_many_files":         "Send each video in a request of its own.",
	"empty_file":             "Check the file on your side. It had no bytes when it was sent.",
	"broken_upload":          "Send the video again. Nothing of it is stored.",
	"bad_option":             "Read detail, which names the option and its permitted values. /openapi.yaml lists all options.",
	"bad_email":              "Use an address such as user@example.com.",
	"bad_password":           "Read detail, which states the permitted lengths, and choose another password.",
	"no_token":               "POST /login with your e-mail address and password returns a token. Send it in the header Authorization, after the word Bearer.",
	"bad_token":              "Log in again for a new token, and check that it is sent completely.",
	"expired_token":          "Log in again for a new token.",
	"bad_credentials":        "Send the e-mail address and the password by HTTP Basic authentication, as curl -u EMAIL:PASSWORD does. Attempts are limited, so do not repeat the same ones.",
	"bad_registration_code":  "Ask the operator of this service for the registration code, and send it as code.",
	"registration_closed":    "Ask the operator of this service for an account.",
	"quota_exceeded":         "Download the MP3s that you need, then delete their jobs with DELETE /jobs/ID. Jobs are also deleted when they expire.",
	"not_found":              "Check the address. /openapi.yaml lists all of them.",
	"job_not_found":          "Check the id and with which account you have logged in. A job is deleted when it expires; upload the video again.",
	"link_not_found":         "Copy the link completely: in a mail it may be broken over two lines. If that does not help, ask for a new one.",
	"link_expired":           "Ask whoever gave you the link for a new one. The owner of the job gets one by POST /jobs/ID/links while the MP3 is kept.",
	"method_not_allowed":     "Use one of the methods in the header Allow.",
	"request_timeout":        "Send the request again, over a faster connection if possible.",
	"upload_stalled":         "Send the video again, over a faster connection if possible.",
	"email_taken":            "Log in, or register with another address.",
	"not_ready":              "Ask again after the seconds in the header Retry-After, or with ?wait=SECONDS, which responds as soon as the job is finished.",
	"no_mp3":                 "GET /jobs/ID says why: the job has failed, and error has the reason, or it was cancelled.",
	"too_large":              "Read detail, which states the limit. Send a shorter or smaller file; the sound alone is enough.",
	"unsupported_media_type": "Send a video or audio file, as a form or as a body of type application/octet-stream, video/* or audio/*.",
	"bad_range":              "Request a range within the size in the header Content-Range, or the whole file.",
	"too_many_requests":      "Wait for the seconds in the header Retry-After, then send the request again. Fewer requests at a time are not refused.",
	"too_many_jobs":          "Wait until some of your jobs are finished, or cancel some. The header Retry-After says when to try again.",
	"internal":               "Send the request again later. If the error remains, report requestId to the operator of this service.",
	"busy":                   "Send the request again after the seconds in the header Retry-After.",
	"unavailable":            "Send the request again after the seconds in the header Retry-After. Accepted jobs are not affected.",
	"no_space":               "Send the video again later, when MP3s of other jobs have expired. The operator of this service can add space.",
}

// conversionAdvice is what to do about each failed job, by the code of its error. Every
// failure in shared/conversion needs an entry.
var conversionAdvice = map[string]string{
	"corrupt":            "Play the file on your side to its end. If it is cut off there too, get a new copy.",
	"no_audio":           "Check that the file is the right one and has sound on your side.",
	"unsupported":        "Convert the file to MP4 or MKV first, and upload that.",
	"drm":                "Use a copy without copy protection.",
	"too_long":           "Upload the video in parts. The options start and end do not help, because the limit is that of the file.",
	"too_large":          "Choose a lower bitrate, or convert a part by the options start and end.",
	"time_limit":         "Upload a shorter part, or a copy in a common format such as MP4.",
	"memory_limit":       "Upload a copy in a common format such as MP4.",
	"no_such_track":      "Read source.tracks of the job, and upload the video again with one of them as the option track, or without that option.",
	"out_of_range":       "Read source.seconds of the job, and upload the video again with start and end within that length.",
	"attempts_exhausted": "Upload the video again later. If it fails again, another copy or another format may help.",
	"video_missing":      "Upload the video again.",
}
