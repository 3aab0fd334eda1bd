package idempotency

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/problem"
)

func TestKey(t *testing.T) {
	long := strings.Repeat("k", 255)
	for header, want := range map[string]string{
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: "8e03978e-40d5-43dd-bc93-6894a57f9324",
		"8e03978e-40d5-43dd-bc93-6894a57f9324":   "8e03978e-40d5-43dd-bc93-6894a57f9324",
		`"a \"b\" \\ c"`:                         `a "b" \ c`,
		`"key";version=1`:                        "key",
		"KG5LxwFBepaKHyUD":                       "KG5LxwFBepaKHyUD",
		"a+b/c==":                                "a+b/c==",
		"a b":                                    "a b",
		"'":                                      "'",
		long:                                     long,
		`"` + long + `"`:                         long,
	} {
		if key, err := Key(http.Header{Header: {header}}); err != nil || key != want {
			t.Errorf("%s: %q, %v; want %q", header, key, err, want)
		}
	}
	if key, err := Key(http.Header{}); err != nil || key != "" {
		t.Errorf("without a key: %q, %v", key, err)
	}
}

func TestBadKey(t *testing.T) {
	long := strings.Repeat("k", 256)
	for name, values := range map[string][]string{
		"empty":             {""},
		"empty string":      {`""`},
		"too long":          {long},
		"long string":       {`"` + long + `"`},
		"unfinished string": {`"abc`},
		"two strings":       {`"abc", "def"`},
		"text after string": {`"abc"def`},
		"control character": {"a\tb"},
		"not ASCII":         {"schlüssel"},
		"twice":             {"a", "a"},
	} {
		var e *problem.Error
		if key, err := Key(http.Header{Header: values}); !errors.As(err, &e) || e.Kind != problem.BadRequest || e.Detail == "" {
			t.Errorf("%s: %q, %v; want %s with a detail", name, key, err, problem.BadRequest.Code)
		}
	}
}

func TestDigest(t *testing.T) {
	file, other := sha256.Sum256([]byte("file")), sha256.Sum256([]byte("other"))
	query, err := url.ParseQuery("title=A&name=a.mp4")
	if err != nil {
		t.Fatal(err)
	}
	reordered, different := url.Values{"name": {"a.mp4"}, "title": {"A"}}, url.Values{"name": {"a.mp4"}, "title": {"B"}}
	d := Digest(query, file[:])
	if d != Digest(reordered, file[:]) || !SameParameters(d, reordered) || !SameFile(d, file[:]) {
		t.Error("an equal request has another digest")
	}
	if d == Digest(different, file[:]) || SameParameters(d, different) {
		t.Error("other parameters have the same digest")
	}
	if d == Digest(query, other[:]) || SameFile(d, other[:]) || d == Digest(query, nil) || SameFile(Digest(query, nil), file[:]) {
		t.Error("another file has the same digest")
	}
}

func TestContentDigest(t *testing.T) {
	sum := sha256.Sum256([]byte("file"))
	item := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for header, want := range map[string]string{
		item:                          string(sum[:]),
		"sha-512=:YWJj:, " + item:     string(sum[:]),
		"":                            "",
		"sha-512=:YWJj:":              "",
		"sha-256=:YWJj:":              "",
		"sha-256=abc":                 "",
		"sha-256=(:YWJj:)":            "",
		"SHA-256=" + item:             "",
		"sha-256=:not base64 at all:": "",
	} {
		if got := ContentDigest(http.Header{"Content-Digest": {header}}); string(got) != want {
			t.Errorf("%q: %x, want %x", header, got, want)
		}
	}
}

func TestCreate(t *testing.T) {
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	newJob := func(owner, key, digest string) jobs.Job {
		j := jobs.Job{ID: id.New(), Owner: owner, IdempotencyKey: key, BodyDigest: digest, Video: jobs.File{ID: id.New()}}
		j.BeginUpload(jobs.Policy{UploadTTL: time.Hour}, "", time.Now())
		return j
	}
	first := newJob("ann", "k", "digest")
	for _, c := range []struct {
		name     string
		job      jobs.Job
		replayed bool
		want     error
	}{
		{name: "first", job: first},
		{name: "repeated", job: newJob("ann", "k", "digest"), replayed: true},
		{name: "other content", job: newJob("ann", "k", "other"), want: problem.IdempotencyKeyReused},
		{name: "other owner", job: newJob("bob", "k", "other")},
		{name: "other key", job: newJob("ann", "l", "digest")},
		{name: "without a key", job: newJob("ann", "", "digest")},
		{name: "content not known yet", job: newJob("ann", "m", "")},
		{name: "key of an upload whose content is not known", job: newJob("ann", "m", "digest"), want: problem.IdempotencyKeyInUse},
	} {
		got, replayed, err := Create(t.Context(), store, c.job)
		if c.want != nil {
			if kindOf(err) != c.want {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			continue
		}
		want := c.job.ID
		if c.replayed {
			want = first.ID
		}
		if err != nil || replayed != c.replayed || got.ID != want {
			t.Errorf("%s: job %s, replayed %t, %v", c.name, got.ID, replayed, err)
		}
	}
}

// kindOf returns the kind of a problem.
func kindOf(err error) (k problem.Kind) {
	var e *problem.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	errors.As(err, &k)
	return k
}

// Of many equal requests at once, one creates the job and all return it.
func TestCreateAtOnce(t *testing.T) {
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ids := make([]string, 50)
	var wg sync.WaitGroup
	for i := range ids {
		j := jobs.Job{ID: id.New(), Owner: "ann", IdempotencyKey: "k", BodyDigest: "digest", Video: jobs.File{ID: id.New()}}
		j.BeginUpload(jobs.Policy{UploadTTL: time.Hour}, "", time.Now())
		wg.Go(func() {
			stored, _, err := Create(t.Context(), store, j)
			if err != nil {
				t.Error(err)
			}
			ids[i] = stored.ID
		})
	}
	wg.Wait()
	for _, got := range ids {
		if got != ids[0] {
			t.Fatalf("jobs %s and %s, want one", got, ids[0])
		}
	}
}
