package idempotency

import "mp3converter/shared/jobs"

// Pending reports whether a job is of one request that is still sending the file: what it
// contains is not known, and no other request can continue the upload.
func Pending(j jobs.Job) bool {
	return j.State == jobs.Uploading && j.IdempotencyKey != "" && j.BodyDigest == ""
}
