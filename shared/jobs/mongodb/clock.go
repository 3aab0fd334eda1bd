package mongodb

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/mongodb"
)

const (
	// measureInterval is how long a measured offset is used.
	measureInterval = time.Minute
	// reportedSkew is the offset from which the difference of the clocks is
	// logged.
	reportedSkew = 5 * time.Second
)

// clock is the server's clock: this machine's plus a measured offset.
type clock struct {
	offset   atomic.Int64 // nanoseconds
	measured atomic.Int64 // when, in milliseconds since 1970 by this machine's clock
}

// Now returns the time by the primary's clock, exact to half a round trip. The offset
// is measured again in the background once it is a minute old; while the server is
// away the last one is used.
func (s *Store) Now() time.Time {
	now := time.Now()
	last := s.clock.measured.Load()
	if now.UnixMilli()-last > measureInterval.Milliseconds() && s.clock.measured.CompareAndSwap(last, now.UnixMilli()) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), mongodb.ConnectTimeout)
			defer cancel()
			if err := s.clock.measure(ctx, s.jobs.Database()); err != nil {
				slog.Warn("clock not compared with the server's", "error", err)
			}
		}()
	}
	return now.Add(time.Duration(s.clock.offset.Load()))
}

// measure measures the offset.
func (c *clock) measure(ctx context.Context, db *mongo.Database) error {
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	sent := time.Now()
	if err := db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return fmt.Errorf("read the server's clock: %w", err)
	}
	now := time.Now()
	offset := hello.LocalTime.Sub(sent.Add(now.Sub(sent) / 2))
	if offset.Abs() > reportedSkew {
		slog.Warn("this machine's clock differs from the server's", "offset", offset.Round(time.Millisecond))
	}
	c.offset.Store(int64(offset))
	c.measured.Store(now.UnixMilli())
	return nil
}
