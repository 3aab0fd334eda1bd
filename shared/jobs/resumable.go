package jobs

// Resumable is what the record of a resumable upload holds in addition.
type Resumable struct {
	Metadata    string `bson:"metadata,omitempty" json:"metadata,omitempty"`       // as the client sent it
	HeadChecked bool   `bson:"headChecked,omitempty" json:"headChecked,omitempty"` // the first bytes may be those of a video

	// UnverifiedFrom is set while a part with a checksum is received: the bytes from
	// there on count only when the checksum is known to be right.
	UnverifiedFrom *int64 `bson:"unverifiedFrom,omitempty" json:"unverifiedFrom,omitempty"`
}

// UpdateResumable changes what the record of a resumable upload holds in addition. Only
// the holder of the lease can do so.
func (j *Job) UpdateResumable(holder string, change func(*Resumable)) error {
	if !j.uploadLeasedTo(holder) || j.Resumable == nil {
		return ErrLeaseLost
	}
	r := *j.Resumable
	change(&r)
	j.Resumable = &r
	return nil
}
