package jobs

import "time"

// UploadLease is how long a request may write to an upload without renewing its lease.
const UploadLease = 15 * time.Second

// BeginUpload puts a new job into the state Uploading. Video.ID names the object that the
// bytes are written to, and Video.Size is the announced size, or 0. The upload is leased
// to holder; without one, nobody writes to it yet.
func (j *Job) BeginUpload(p Policy, holder string, now time.Time) {
	now = Truncate(now)
	j.State = Uploading
	j.CreatedAt = now
	j.extendUpload(p, holder, now)
}

// LockUpload leases an upload to one request. ErrLeased means that another request is
// writing to it.
func (j *Job) LockUpload(p Policy, holder string, now time.Time) error {
	now = Truncate(now)
	switch {
	case j.State != Uploading:
		return ErrNotUploading
	case now.Before(j.Lease.Until):
		return ErrLeased
	}
	j.extendUpload(p, holder, now)
	return nil
}

// RenewUpload extends the lease of the request that holds it. The result reports whether
// another request waits for the upload: then the holder should release it.
func (j *Job) RenewUpload(p Policy, holder string, now time.Time) (wanted bool, err error) {
	if !j.uploadLeasedTo(holder) {
		return false, ErrLeaseLost
	}
	wanted = j.Lease.Wanted
	j.extendUpload(p, holder, Truncate(now))
	j.Lease.Wanted = wanted
	return wanted, nil
}

// RequestUpload asks the request that holds the lease to release it.
func (j *Job) RequestUpload() error {
	if j.State != Uploading {
		return ErrNotUploading
	}
	j.Lease.Wanted = j.Lease.Holder != ""
	return nil
}

// UnlockUpload releases the lease. The upload can be continued until p.UploadTTL is over.
func (j *Job) UnlockUpload(p Policy, holder string, now time.Time) error {
	if !j.uploadLeasedTo(holder) {
		return ErrLeaseLost
	}
	j.extendUpload(p, "", Truncate(now))
	return nil
}

// FinishUpload queues the job of an upload that is complete. Only the holder of the lease
// can do so. The caller sets what is known only now, such as Video.Size.
func (j *Job) FinishUpload(p Policy, holder string, now time.Time) error {
	if !j.uploadLeasedTo(holder) {
		return ErrLeaseLost
	}
	j.Lease = Lease{}
	j.Enqueue(p, now)
	return nil
}

// ExpireUpload leases an upload that is due to the janitor, which deletes it.
func (j *Job) ExpireUpload(holder string, now time.Time) error {
	now = Truncate(now)
	switch {
	case j.State != Uploading:
		return ErrNotUploading
	case now.Before(j.DueAt), now.Before(j.Lease.Until):
		return ErrNotDue
	}
	j.Lease = Lease{Holder: holder, Until: now.Add(UploadLease)}
	j.DueAt = j.Lease.Until
	return nil
}

func (j *Job) uploadLeasedTo(holder string) bool {
	return j.State == Uploading && holder != "" && j.Lease.Holder == holder
}

func (j *Job) extendUpload(p Policy, holder string, now time.Time) {
	j.Lease = Lease{}
	if holder != "" {
		j.Lease = Lease{Holder: holder, Until: now.Add(UploadLease)}
	}
	j.DueAt = now.Add(p.UploadTTL)
}
