package jobs

import (
	"context"
	"fmt"
)

// Erase deletes a job and its files. The files are deleted first: after a crash in
// between the record still names the rest. If the job could be retried, the record first
// says that it cannot; ErrNotFinished means that it has been retried already, and nothing
// is deleted.
func Erase(ctx context.Context, store Store, videos, audio Files, j Job) error {
	if !j.VideoUntil.IsZero() {
		var err error
		if j, err = store.Update(ctx, j.ID, (*Job).GiveUpVideo); err != nil {
			return err
		}
	}
	if err := videos.Delete(ctx, j.Video.ID); err != nil {
		return fmt.Errorf("delete video: %w", err)
	}
	if j.Audio.ID != "" {
		if err := audio.Delete(ctx, j.Audio.ID); err != nil {
			return fmt.Errorf("delete MP3: %w", err)
		}
	}
	return store.Delete(ctx, j.ID)
}

// Files is the part of a media store that Erase needs.
type Files interface {
	Delete(ctx context.Context, id string) error
}
