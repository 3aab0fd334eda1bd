package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/jobs"
	"mp3converter/shared/store"
)

// mailLog is a document of the collection mails: the mails to an address on one day, and
// in the 24 hours before. Each day has a document of its own. So old ones are found by
// their ID, without an index, which every function would have to create.
type mailLog struct {
	ID       string            `bson:"_id"` // day and address
	Revision int64             `bson:"revision"`
	Mails    jobs.CountedMails `bson:"mails"`
}

func mailLogID(day time.Time, address string) string {
	return day.UTC().Format(time.DateOnly) + " " + address
}

// CountMail counts the mail about a job to an address. After a conflict with another
// writer it starts again, until it succeeds or ctx ends.
func (s *Store) CountMail(ctx context.Context, address, job string, limit int, now time.Time) (int, error) {
	for conflicts := 0; ; conflicts++ {
		if err := backOff(ctx, conflicts); err != nil {
			return 0, store.Error(ctx, "jobs: count mail", err)
		}
		n, stored, err := s.countMail(ctx, address, job, limit, now)
		switch {
		case errors.Is(err, jobs.ErrMailLimit):
			return 0, err
		case err != nil:
			return 0, store.Error(ctx, "jobs: count mail", err)
		case stored:
			return n, nil
		}
	}
}

// countMail reports whether the count was stored. Otherwise another writer was faster.
func (s *Store) countMail(ctx context.Context, address, job string, limit int, now time.Time) (n int, stored bool, err error) {
	today, err := s.mailLog(ctx, now, address)
	isNew := errors.Is(err, mongo.ErrNoDocuments)
	if isNew {
		today, err = s.mailLog(ctx, now.Add(-jobs.MailWindow), address)
		if errors.Is(err, mongo.ErrNoDocuments) {
			err = nil
		}
	}
	if err != nil {
		return 0, false, err
	}
	if today.Mails, err = today.Mails.Add(job, limit, now); err != nil {
		return 0, false, err
	}
	today.ID = mailLogID(now, address)
	if isNew {
		stored, err = s.insertMailLog(ctx, today, now)
		return len(today.Mails), stored, err
	}
	revision := today.Revision
	today.Revision++
	res, err := s.mails.ReplaceOne(ctx, bson.D{{Key: "_id", Value: today.ID}, {Key: "revision", Value: revision}}, today)
	if err != nil {
		return 0, false, err
	}
	return len(today.Mails), res.MatchedCount == 1, nil
}

// mailLog returns the document of an address for a day, or mongo.ErrNoDocuments.
func (s *Store) mailLog(ctx context.Context, day time.Time, address string) (l mailLog, err error) {
	err = s.mails.FindOne(ctx, bson.D{{Key: "_id", Value: mailLogID(day, address)}}).Decode(&l)
	return l, err
}

// insertMailLog inserts the first document of an address for a day, and deletes the
// documents of all addresses that no limit needs any more.
func (s *Store) insertMailLog(ctx context.Context, l mailLog, now time.Time) (inserted bool, err error) {
	l.Revision = 0
	if _, err := s.mails.InsertOne(ctx, l); err != nil {
		if mongo.IsDuplicateKeyError(err) {
			return false, nil
		}
		return false, err
	}
	before := mailLogID(now.Add(-jobs.MailWindow), "")
	_, err = s.mails.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: before}}}})
	return true, err
}
