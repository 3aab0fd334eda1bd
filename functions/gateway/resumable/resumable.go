// Package resumable serves resumable uploads: the tus protocol 1.0 with the extensions
// creation, creation-with-upload, expiration, checksum and termination. Package tusd
// handles the protocol. This package is its data store and its locker, and checks the
// checksums. It keeps no state of its own: an upload is a job record in the state
// Uploading and an incomplete object in the media store, so the parts of an upload may
// arrive in any process.
//
// It does not authenticate, and does not limit how many requests run: its caller does.
package resumable

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog" // the one that tusd uses

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/token"
)

// BasePath is the path at which uploads are created. That of an upload is BasePath/ID.
const BasePath = "/uploads"

// Extensions are the protocol extensions that are served. tusd knows those before
// "expiration".
const (
	Extensions = "creation,creation-with-upload,termination,expiration,checksum"
	Version    = "1.0.0"                           // of the protocol
	partType   = "application/offset+octet-stream" // the Content-Type of a part
)

// Config holds the limits of uploads.
type Config struct {
	MaxSize int64 // bytes of one file
	Policy  jobs.Policy
}

// Deps are what the handler uses. All are required.
type Deps struct {
	Jobs   jobs.Store
	Videos media.Store

	// Admit returns a problem if the owner of a job may not upload a file of this size for
	// it. The job may be stored already.
	Admit func(ctx context.Context, j jobs.Job, size int64) error
	// NewJob returns a job with the name and the options in the metadata, or a problem.
	NewJob func(ctx context.Context, user token.Claims, metadata map[string]string) (jobs.Job, error)
	// CheckHead returns a problem if the first bytes of a file show that it is not a video.
	CheckHead func(head []byte) error
	// Problem converts an error of reading a body or of storing it into a problem.
	Problem func(error) error
	// Absolute returns a path of the gateway as it is sent to clients.
	Absolute func(path string) string
	// Accepted is called for each job whose video has arrived. It may be called again
	// for a job.
	Accepted func(ctx context.Context, j jobs.Job)
}

// HeadSize is how many bytes CheckHead needs.
const HeadSize = 512

// Handler serves BasePath and what is below. It is safe for concurrent use.
type Handler struct {
	config Config
	deps   Deps
	tusd   http.Handler

	// Constants, except in tests.
	lockTimeout   time.Duration // a request waits for another one to release the upload
	watchInterval time.Duration // between looks at whether another request waits
}

const (
	// lockTimeout exceeds jobs.UploadLease, so that a request succeeds although the
	// process that served the previous one has died.
	lockTimeout = jobs.UploadLease + 5*time.Second
	// watchInterval is a fraction of the time for which a client waits that resumes after
	// its connection broke, if the other process has not noticed that.
	watchInterval = time.Second
	// completionTimeout is how long the bytes that have arrived may take to be stored when
	// the client has left.
	completionTimeout = 30 * time.Second
	// storeTimeout is the time limit of an operation on a record.
	storeTimeout = 30 * time.Second
)

// New returns a handler.
func New(cfg Config, deps Deps) (*Handler, error) {
	h := &Handler{config: cfg, deps: deps, lockTimeout: lockTimeout, watchInterval: watchInterval}
	composer := tusd.NewStoreComposer()
	store := dataStore{h}
	composer.UseCore(store)
	composer.UseTerminater(store)
	composer.UseLocker(locker{h})
	protocol, err := tusd.NewHandler(tusd.Config{
		StoreComposer:                    composer,
		MaxSize:                          cfg.MaxSize,
		BasePath:                         BasePath,
		DisableDownload:                  true,
		DisableConcatenation:             true,
		Cors:                             &tusd.CorsConfig{Disable: true},
		Logger:                           slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.Level(100)})),
		GracefulRequestCompletionTimeout: completionTimeout,
		// The locker has a timeout of its own, which tests change.
		AcquireLockTimeout: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("resumable: %w", err)
	}
	h.tusd = http.StripPrefix(BasePath, protocol)
	return h, nil
}

// ServeOptions responds to an OPTIONS request, which needs no user.
func (h *Handler) ServeOptions(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Tus-Resumable", Version)
	header.Set("Tus-Version", Version)
	header.Set("Tus-Max-Size", strconv.FormatInt(h.config.MaxSize, 10))
	header.Set("Tus-Extension", Extensions)
	header.Set("Tus-Checksum-Algorithm", strings.Join(checksumAlgorithms(), ","))
	w.WriteHeader(http.StatusNoContent)
}

// Serve responds to a request of a user. Errors are problems.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	method := Method(r)
	var sum *checksum
	var err error
	if method == http.MethodPost || method == http.MethodPatch { // others have no part
		if sum, err = parseChecksum(r.Header.Get("Upload-Checksum")); err != nil {
			return err
		}
	}
	key := ""
	if method == http.MethodPost {
		if key, err = idempotency.Key(r.Header); err != nil {
			return err
		}
	}
	b := &body{ReadCloser: r.Body}
	defer b.ended.Store(true)
	q := &request{
		handler: h, user: user, metadata: r.Header.Get("Upload-Metadata"), key: key, checksum: sum, body: b,
		hasPart:   method == http.MethodPost && r.Header.Get("Content-Type") == partType,
		interrupt: func() { b.interrupt(http.NewResponseController(w)) },
	}
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
	r.Body = b
	rw := &responseWriter{ResponseWriter: w, request: q, method: method}
	if key != "" {
		if replayed, err := h.replay(rw, r, q); replayed || err != nil {
			return err
		}
	}
	h.tusd.ServeHTTP(rw, r)
	return rw.problem()
}

// Method returns the method of a request. Clients that can send only GET and POST name
// another one in a header.
func Method(r *http.Request) string {
	if m := r.Header.Get("X-HTTP-Method-Override"); r.Method == http.MethodPost && m != "" {
		return m
	}
	return r.Method
}
