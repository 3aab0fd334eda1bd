package jobs

// RevokeLinks makes all signed links to the job's MP3 invalid that exist.
func (j *Job) RevokeLinks() { j.LinkEpoch++ }
