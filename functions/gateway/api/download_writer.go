package api

import (
	"io"
	"net/http"
	"os"
	"time"

	"mp3converter/shared/problem"
)

// downloadWriter aborts a download whose client does not keep to the pace, and replaces
// the plain errors of http.ServeContent with problems.
type downloadWriter struct {
	http.ResponseWriter
	r        *http.Request
	pace     *pace
	rejected bool // the problem has been written
}

// stride is how many bytes are written at a time. A client at the default minimum rate
// takes 16 s to read them.
const stride = 64 << 10

func (d *downloadWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		d.rejected = true
		problem.Write(d.ResponseWriter, d.r, problem.BadRange)
		return
	}
	d.ResponseWriter.WriteHeader(status)
}

func (d *downloadWriter) Write(b []byte) (int, error) {
	if d.rejected {
		return len(b), nil
	}
	n, err := d.write(func() (int64, error) {
		n, err := d.ResponseWriter.Write(b)
		return int64(n), err
	})
	return int(n), err
}

// ReadFrom passes a file itself to the underlying writer, which lets the kernel copy it
// to the socket (sendfile). It does so in strides, to check the pace between them.
// Other sources are read first, because waiting for a store is not the client's fault.
func (d *downloadWriter) ReadFrom(src io.Reader) (total int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if ok {
		_, ok = limited.R.(*os.File)
	}
	if !ok || d.rejected {
		return io.Copy(struct{ io.Writer }{d}, src)
	}
	for limited.N > 0 && err == nil {
		var n int64
		n, err = d.write(func() (int64, error) {
			return io.CopyN(d.ResponseWriter, limited.R, min(stride, limited.N))
		})
		limited.N -= n
		total += n
	}
	return total, err
}

// write calls a function that writes to the client, within the client's credit.
func (d *downloadWriter) write(f func() (int64, error)) (int64, error) {
	begun := time.Now()
	// Without credit the deadline has passed, and the write fails. Response writers
	// without a connection, as in tests, have no deadlines.
	_ = http.NewResponseController(d.ResponseWriter).SetWriteDeadline(begun.Add(d.pace.credit))
	n, err := f()
	d.pace.record(n, time.Since(begun))
	return n, err
}
