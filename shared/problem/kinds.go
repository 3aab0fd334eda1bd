package problem

// Kind is a kind of error response: the status, a stable code, and a title that says
// what happened and what to do.
type Kind struct {
	Status int
	Code   string
	Title  string
}

// Every error response of the HTTP API. Errors of a conversion are in package
// conversion.
var (
	BadRequest           = Kind{400, "bad_request", "The request could not be understood."}
	NoFile               = Kind{400, "no_file", "The request contains no file. Send one as the form field \"file\"."}
	TooManyFiles         = Kind{400, "too_many_files", "The request contains more than one file. Send one upload per video."}
	EmptyFile            = Kind{400, "empty_file", "The file is empty."}
	BrokenUpload         = Kind{400, "broken_upload", "The upload ended before the file was complete. Please send it again."}
	BadOption            = Kind{400, "bad_option", "An option has an invalid value."}
	BadWebhookURL        = Kind{400, "bad_webhook_url", "The URL cannot receive messages."}
	NoWebhookSecret      = Kind{400, "no_webhook_secret", "Messages are signed, and you have no secret yet. Create one with POST /webhook/secret, then send the upload again."}
	BadUpload            = Kind{400, "bad_upload", "A header of the resumable upload is missing or invalid."}
	BadEmail             = Kind{400, "bad_email", "The e-mail address is invalid."}
	BadPassword          = Kind{400, "bad_password", "The password is too short or too long."}
	NoToken              = Kind{401, "no_token", "Log in first: POST /login with your e-mail address and password, then send the token as \"Authorization: Bearer TOKEN\"."}
	BadToken             = Kind{401, "bad_token", "The token is invalid. Log in again."}
	ExpiredToken         = Kind{401, "expired_token", "The token has expired. Log in again."}
	BadCredentials       = Kind{401, "bad_credentials", "The e-mail address or the password is wrong."}
	BadRegistrationCode  = Kind{403, "bad_registration_code", "A new account needs the registration code of this service. Ask its operator for it."}
	RegistrationClosed   = Kind{403, "registration_closed", "New accounts are created by the operator of this service."}
	QuotaExceeded        = Kind{403, "quota_exceeded", "Your videos and MP3s take up all the space that you may use. Delete jobs that you no longer need."}
	NotFound             = Kind{404, "not_found", "There is no resource at this address."}
	JobNotFound          = Kind{404, "job_not_found", "There is no such job, or it is not yours."}
	LinkNotFound         = Kind{404, "link_not_found", "The link is not valid. Check that it was copied completely."}
	WebhookNotFound      = Kind{404, "webhook_not_found", "You have no webhook. Create one with PUT /webhook."}
	DeliveryNotFound     = Kind{404, "delivery_not_found", "The job has no such delivery. See GET /jobs/{id}/deliveries."}
	UploadNotFound       = Kind{404, "upload_not_found", "There is no such upload, or it is not yours. It may have expired. Create a new one."}
	MethodNotAllowed     = Kind{405, "method_not_allowed", "This address does not support the method."}
	RequestTimeout       = Kind{408, "request_timeout", "The request did not arrive in time. Please send it again."}
	UploadStalled        = Kind{408, "upload_stalled", "The file arrived too slowly, or not at all for too long. Please send it again."}
	EmailTaken           = Kind{409, "email_taken", "An account with that e-mail address already exists."}
	NotReady             = Kind{409, "not_ready", "The MP3 is not ready yet. Check the state of the job and try again."}
	WebhookOff           = Kind{409, "webhook_off", "Your webhook is switched off or has been deleted. Set it with PUT /webhook, then try again."}
	IdempotencyKeyInUse  = Kind{409, "idempotency_in_progress", "Another request with this Idempotency-Key is still sending the video. Please try again in a moment."}
	NoMP3                = Kind{409, "no_mp3", "The job did not produce an MP3. See the state of the job."}
	JobFinished          = Kind{409, "job_finished", "The job is finished, so that it cannot be cancelled."}
	JobNotFinished       = Kind{409, "job_not_finished", "The job is not finished. Cancel it first, or add cancel=true to the address to delete it anyway."}
	JobNotFailed         = Kind{409, "job_not_failed", "Only a job that failed can be retried."}
	VideoGone            = Kind{409, "video_gone", "The video of the job is not stored any more. Please upload it again."}
	OffsetConflict       = Kind{409, "offset_conflict", "The upload has another offset. Ask for it with HEAD and continue there."}
	UploadComplete       = Kind{409, "upload_complete", "The upload is complete and has become a job. Use /jobs with the same id."}
	LinkExpired          = Kind{410, "link_expired", "The link has expired or was revoked, or its MP3 has been deleted."}
	UnsupportedTus       = Kind{412, "unsupported_tus", "The version of the tus protocol is missing or not supported."}
	TooLarge             = Kind{413, "too_large", "The file is larger than this service accepts."}
	UnsupportedMediaType = Kind{415, "unsupported_media_type", "The body is not a video. Send the file as multipart/form-data or as the raw body."}
	BadRange             = Kind{416, "bad_range", "The requested range is outside the file."}
	IdempotencyKeyReused = Kind{422, "idempotency_key_reused", "This Idempotency-Key belongs to a request with another video or other options. Use a new key for each upload."}
	UploadLocked         = Kind{423, "upload_locked", "Another request writes to the upload. Ask for the offset with HEAD and continue."}
	TooManyRequests      = Kind{429, "too_many_requests", "Too many requests. Please wait a moment."}
	TooManyJobs          = Kind{429, "too_many_jobs", "Too many of your videos are waiting to be converted. Please try again when some of them are done."}
	ChecksumMismatch     = Kind{460, "checksum_mismatch", "The part did not arrive as it was sent. Please send it again."}
	Internal             = Kind{500, "internal", "Internal error. Quote the request id when you report it."}
	Busy                 = Kind{503, "busy", "The service is busy. Please try again in a moment."}
	Unavailable          = Kind{503, "unavailable", "A part of the service is unavailable. Please try again in a moment."}
	NoSpace              = Kind{507, "no_space", "There is not enough space to store the file. Please try again later."}
)

// Kinds lists all kinds.
var Kinds = []Kind{
	BadRequest, NoFile, TooManyFiles, EmptyFile, BrokenUpload, BadOption, BadWebhookURL, NoWebhookSecret, BadUpload, BadEmail, BadPassword, NoToken,
	BadToken, ExpiredToken, BadCredentials, BadRegistrationCode, RegistrationClosed, QuotaExceeded, NotFound, JobNotFound, LinkNotFound, WebhookNotFound,
	DeliveryNotFound, UploadNotFound, MethodNotAllowed, RequestTimeout, UploadStalled, EmailTaken, NotReady, WebhookOff, IdempotencyKeyInUse, NoMP3,
	JobFinished, JobNotFinished, JobNotFailed, VideoGone, OffsetConflict, UploadComplete, LinkExpired, UnsupportedTus, TooLarge, UnsupportedMediaType,
	BadRange, IdempotencyKeyReused, UploadLocked, TooManyRequests, TooManyJobs, ChecksumMismatch, Internal, Busy, Unavailable, NoSpace,
}
