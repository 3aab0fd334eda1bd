package serve

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mp3converter/shared/id"
	"mp3converter/shared/logs"
	"mp3converter/shared/problem"
)

var (
	requests = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "mp3converter_http_request_seconds",
		Help:    "Time from the request header to the end of the response, by route and status.",
		Buckets: []float64{.005, .02, .1, .5, 2, 10, 60, 600, 3600},
	}, []string{"route", "status"})
	inFlight = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "mp3converter_http_requests_in_flight",
		Help: "Requests in progress.",
	})
)

// writeTimeout is how long a client may take to read a response, from its header on. A
// handler with a longer response sets the deadline of its own.
const writeTimeout = time.Minute

// logRequests is middleware that gives each request an id, a line in the log and
// metrics, and a response if the handler panics.
func logRequests(h http.Handler) http.Handler { return logRequestsWith(h, writeTimeout) }

func logRequestsWith(h http.Handler, writeTimeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		requestID := id.New()
		w.Header().Set(problem.RequestIDHeader, requestID)
		r = r.WithContext(logs.With(r.Context(), slog.String("request", requestID)))
		r.Pattern = "" // of withHealth's mux; h sets its own
		rec := &recorder{ResponseWriter: w, writeTimeout: writeTimeout}
		inFlight.Inc()
		defer func() {
			inFlight.Dec()
			if p := recover(); p != nil {
				rec.handlePanic(r, p)
			}
			took := time.Since(start)
			route := cmp.Or(r.Pattern, "none")
			requests.WithLabelValues(route, strconv.Itoa(rec.status)).Observe(took.Seconds())
			level := slog.LevelInfo
			if rec.status < 400 && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				level = slog.LevelDebug // successful reads are only counted
			}
			// The route, not the URL, which may contain a file name.
			slog.Log(r.Context(), level, "request", "method", r.Method, "route", route,
				"status", rec.status, "bytes", rec.bytes, "ms", took.Milliseconds())
		}()
		h.ServeHTTP(rec, r)
	})
}

// recorder records the status and the size of a response, and limits the time that the
// client may take to read it.
type recorder struct {
	http.ResponseWriter
	writeTimeout time.Duration
	status       int
	bytes        int64
}

func (rec *recorder) WriteHeader(status int) {
	if status >= 200 {
		rec.begin(status)
	}
	rec.ResponseWriter.WriteHeader(status)
}

// begin is called before each write of the response.
func (rec *recorder) begin(status int) {
	if rec.status != 0 {
		return
	}
	rec.status = status
	// Response writers without a connection, as in tests, have no deadlines.
	_ = http.NewResponseController(rec.ResponseWriter).SetWriteDeadline(time.Now().Add(rec.writeTimeout))
}

func (rec *recorder) Write(b []byte) (int, error) {
	rec.begin(http.StatusOK)
	n, err := rec.ResponseWriter.Write(b)
	rec.bytes += int64(n)
	return n, err
}

// ReadFrom lets downloads use sendfile.
func (rec *recorder) ReadFrom(r io.Reader) (int64, error) {
	rec.begin(http.StatusOK)
	n, err := io.Copy(rec.ResponseWriter, r)
	rec.bytes += n
	return n, err
}

// Unwrap supports http.ResponseController.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// handlePanic responds to a request whose handler panicked. If the response has begun,
// it closes the connection, so that the client notices the truncation.
func (rec *recorder) handlePanic(r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	slog.ErrorContext(r.Context(), "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	problem.Write(rec, r, problem.Internal)
}
