package problem

// Kind is one sort of refusal: its status and its stable code. The sentence
// says what happened and what to do about it.
type Kind struct {
	Status int
	Code   string
	Title  string
}

// Every error that an HTTP client of this product can meet. What can go wrong
// with a video after it was accepted is in package jobs.
var (
	BadRequest           = Kind{400, "bad_request", "The request could not be understood."}
	NoFile               = Kind{400, "no_file", "The request holds no file. Send one as the form field \"file\"."}
	TooManyFiles         = Kind{400, "too_many_files", "The request holds more than one file. Send one upload per video."}
	EmptyFile            = Kind{400, "empty_file", "The file is empty."}
	BrokenUpload         = Kind{400, "broken_upload", "The upload ended before the whole file had arrived. Please send it again."}
	BadOption            = Kind{400, "bad_option", "One of the options has a value that is not allowed."}
	BadEmail             = Kind{400, "bad_email", "That is not an e-mail address."}
	BadPassword          = Kind{400, "bad_password", "The password is too short or too long."}
	NoToken              = Kind{401, "no_token", "Log in first: POST /login with your e-mail address and password, then send the token as \"Authorization: Bearer TOKEN\"."}
	BadToken             = Kind{401, "bad_token", "The token is not valid here. Log in again."}
	ExpiredToken         = Kind{401, "expired_token", "The token has expired. Log in again."}
	BadCredentials       = Kind{401, "bad_credentials", "The e-mail address or the password is wrong."}
	RegistrationClosed   = Kind{403, "registration_closed", "New accounts are made by the operator of this service."}
	NotFound             = Kind{404, "not_found", "There is nothing at this address."}
	JobNotFound          = Kind{404, "job_not_found", "There is no such job, or it is not yours."}
	MethodNotAllowed     = Kind{405, "method_not_allowed", "This address does not take that method."}
	UploadStalled        = Kind{408, "upload_stalled", "No data arrived for too long. Please send the file again."}
	EmailTaken           = Kind{409, "email_taken", "There is already an account with that e-mail address."}
	NotReady             = Kind{409, "not_ready", "The MP3 is not ready yet. Ask for the job's state and try again."}
	NoMP3                = Kind{409, "no_mp3", "This job did not produce an MP3. The job's state says why."}
	TooLarge             = Kind{413, "too_large", "The file is larger than this service accepts."}
	UnsupportedMediaType = Kind{415, "unsupported_media_type", "That is not a video. Send the file as multipart/form-data or as the raw body."}
	BadRange             = Kind{416, "bad_range", "The requested range lies outside of the file."}
	TooManyRequests      = Kind{429, "too_many_requests", "Too many requests. Please wait a moment."}
	Internal             = Kind{500, "internal", "Something went wrong on our side. Quote the request id when you report it."}
	Busy                 = Kind{503, "busy", "The service is busy. Please try again in a moment."}
	Unavailable          = Kind{503, "unavailable", "A part of the service cannot be reached right now. Please try again in a moment."}
	NoSpace              = Kind{507, "no_space", "There is no room to store the file right now. Please try again later."}
)

// Kinds lists them all.
var Kinds = []Kind{
	BadRequest, NoFile, TooManyFiles, EmptyFile, BrokenUpload, BadOption, BadEmail, BadPassword,
	NoToken, BadToken, ExpiredToken, BadCredentials, RegistrationClosed, NotFound, JobNotFound, MethodNotAllowed,
	UploadStalled, EmailTaken, NotReady, NoMP3, TooLarge, UnsupportedMediaType, BadRange, TooManyRequests,
	Internal, Busy, Unavailable, NoSpace,
}
