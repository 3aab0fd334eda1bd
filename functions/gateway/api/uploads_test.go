package api

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	jobsmongo "mp3converter/shared/jobs/mongodb"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/gridfs"
	"mp3converter/shared/media/mediatest"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/problem"
	"mp3converter/test/mongotest"
)

// pods are two gateways that share their stores.
type pods struct{ a, b *testGateway }

// onEachStores runs a test with two gateways on each set of stores.
func onEachStores(t *testing.T, test func(*testing.T, pods)) {
	t.Run("SQLite and disk", func(t *testing.T) { test(t, startPods(t, nil)) })
	t.Run("MongoDB and GridFS", func(t *testing.T) { test(t, startPods(t, openMongoDB(t))) })
}

// startPods starts two gateways. open opens the stores for each of them; nil opens SQLite
// and directories.
func startPods(t *testing.T, open func(*setup)) (p pods) {
	p.a = startGateway(t, open)
	p.b = startGateway(t, func(s *setup) {
		records, err := sqlite.Open(filepath.Join(p.a.dir, "jobs.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { records.Close() })
		s.Jobs, s.Videos, s.Audio = records, openDisk(t, filepath.Join(p.a.dir, "videos")), openDisk(t, filepath.Join(p.a.dir, "mp3"))
		s.Webhooks, s.Queue = openWebhooks(t, filepath.Join(p.a.dir, "jobs.db")), p.a.queue
		if open != nil {
			open(s)
		}
	})
	p.b.queue, p.b.dir = p.a.queue, p.a.dir
	return p
}

// openMongoDB returns a function that opens the stores of a cluster.
func openMongoDB(t testing.TB) func(*setup) {
	uri, records, videos := mongotest.URI(t), mongotest.Database(t), mongotest.Database(t)
	return func(s *setup) {
		client, err := mongodb.Connect(uri)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mongodb.Close(client) })
		if s.Jobs, err = jobsmongo.Open(t.Context(), client.Database(records)); err != nil {
			t.Fatal(err)
		}
		if s.Videos, err = gridfs.Open(t.Context(), client.Database(videos)); err != nil {
			t.Fatal(err)
		}
	}
}

func useMongoDB(t testing.TB, s *setup) { openMongoDB(t)(s) }

// tus sends a request of the tus protocol.
func (s *testGateway) tus(t testing.TB, method, path string, body io.Reader, header ...string) (*http.Response, []byte) {
	t.Helper()
	header = append([]string{"Tus-Resumable", "1.0.0"}, header...)
	if body != nil {
		header = append([]string{"Content-Type", "application/offset+octet-stream"}, header...)
	}
	return s.do(t, method, path, body, header...)
}

// create creates an upload and returns its path.
func (s *testGateway) create(t testing.TB, size int, metadata string, header ...string) string {
	t.Helper()
	res, b := s.tus(t, "POST", "/uploads", nil, append([]string{"Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata}, header...)...)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("create: %d %s", res.StatusCode, b)
	}
	return res.Header.Get("Location")
}

// patch sends a part.
func (s *testGateway) patch(t testing.TB, path string, offset int, part []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	return s.tus(t, "PATCH", path, bytes.NewReader(part), append([]string{"Upload-Offset", strconv.Itoa(offset)}, header...)...)
}

// mustPatch sends a part, which must be accepted.
func (s *testGateway) mustPatch(t testing.TB, path string, offset int, part []byte, header ...string) {
	t.Helper()
	res, b := s.patch(t, path, offset, part, header...)
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Upload-Offset") != strconv.Itoa(offset+len(part)) {
		t.Fatalf("PATCH of %d bytes at %d: %d %s, offset %s", len(part), offset, res.StatusCode, b, res.Header.Get("Upload-Offset"))
	}
}

// offset asks for the offset of an upload.
func (s *testGateway) offset(t testing.TB, path string) int {
	t.Helper()
	res, _ := s.tus(t, "HEAD", path, nil)
	n, err := strconv.Atoi(res.Header.Get("Upload-Offset"))
	if res.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("HEAD: %d, offset %q", res.StatusCode, res.Header.Get("Upload-Offset"))
	}
	return n
}

// finish sends what is missing and checks the job.
func (p pods) finish(t testing.TB, path string, data []byte) jobs.Job {
	t.Helper()
	if n := p.b.offset(t, path); n < len(data) {
		p.b.mustPatch(t, path, n, data[n:])
	}
	return p.checkJob(t, path, data)
}

// checkJob checks that an upload has become a job, whose video is data, and that the
// converter was woken.
func (p pods) checkJob(t testing.TB, path string, data []byte) jobs.Job {
	t.Helper()
	key := strings.TrimPrefix(path, "/uploads/")
	res, b := p.a.do(t, "GET", "/jobs/"+key, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET the job: %d %s", res.StatusCode, b)
	}
	j, err := p.a.Jobs.Get(t.Context(), key)
	if err != nil || j.State != jobs.Queued || j.Lease != (jobs.Lease{}) {
		t.Fatalf("job %+v, %v", j, err)
	}
	_, r, err := p.a.Videos.Open(t.Context(), j.Video.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if stored, err := io.ReadAll(r); err != nil || !bytes.Equal(stored, data) {
		t.Errorf("the video has %d bytes, %v; want the %d that were sent", len(stored), err, len(data))
	}
	if n := p.a.queue.count(); n == 0 {
		t.Error("the converter was not woken")
	}
	return j
}

// film returns n bytes that look like a video.
func film(n int) []byte { return append(bytes.Clone(video), mediatest.Bytes(n)...)[:n] }

func metadata(pairs ...string) string {
	var b []string
	for i := 0; i < len(pairs); i += 2 {
		b = append(b, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(b, ",")
}

func checksumOf(part []byte) string {
	sum := sha1.Sum(part)
	return "sha1 " + base64.StdEncoding.EncodeToString(sum[:])
}

// Parts of all sizes go to alternating pods.
func TestResumableUpload(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(900_000)
		sent := metadata("filename", "Grüße.mp4", "filetype", "video/mp4", "preset", "speech", "title", "Ä")
		path := p.a.create(t, len(data), sent)
		at, turn := 0, []*testGateway{p.b, p.a}
		for i, n := range []int{1, 511, 0, 255<<10 - 512, 1, 300_000} {
			turn[i%2].mustPatch(t, path, at, data[at:at+n])
			at += n
			if got := turn[(i+1)%2].offset(t, path); got != at {
				t.Errorf("offset %d, want %d", got, at)
			}
		}
		res, b := p.a.do(t, "GET", strings.Replace(path, "uploads", "jobs", 1), nil)
		checkProblem(t, res, b, problem.JobNotFound)
		res, _ = p.b.tus(t, "HEAD", path, nil)
		for name, want := range map[string]string{"Upload-Length": "900000", "Upload-Metadata": sent, "Cache-Control": "no-store", "Tus-Resumable": "1.0.0"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		expires, err := http.ParseTime(res.Header.Get("Upload-Expires"))
		if ttl := time.Until(expires); err != nil || ttl < 59*time.Minute || ttl > time.Hour {
			t.Errorf("expires in %v, %v, want an hour", ttl, err)
		}

		j := p.finish(t, path, data)
		if j.Name != "Grüße.mp4" || j.Options.Bitrate != 64 || j.Options.Title != "Ä" || j.Owner != "anna" || j.Email == "" {
			t.Errorf("%+v, want the name, the options and the owner of the upload", j)
		}
		if n := p.a.queue.count(); n != 1 {
			t.Errorf("%d wake-ups, want 1", n)
		}
		// A client that has not received the last response asks again.
		if n := p.a.offset(t, path); n != len(data) {
			t.Errorf("offset %d of the complete upload, want %d", n, len(data))
		}
		p.b.mustPatch(t, path, len(data), nil)
		res, b = p.b.tus(t, "DELETE", path, nil)
		checkProblem(t, res, b, problem.UploadComplete)
		res, b = p.a.tus(t, "POST", path, nil, "X-HTTP-Method-Override", "DELETE")
		checkProblem(t, res, b, problem.UploadComplete)
		p.checkJob(t, path, data)
	})
}

func TestResumableUploadInOneRequest(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(700_000)
		res, b := p.a.tus(t, "POST", "/uploads", bytes.NewReader(data), "Upload-Length", "700000", "Upload-Metadata", metadata("name", "a.mp4"))
		if res.StatusCode != http.StatusCreated || res.Header.Get("Upload-Offset") != "700000" || res.Header.Get("Upload-Expires") != "" {
			t.Fatalf("%d %s %v", res.StatusCode, b, res.Header)
		}
		if j := p.checkJob(t, res.Header.Get("Location"), data); j.Name != "a.mp4" {
			t.Errorf("name %q", j.Name)
		}
	})
}

func TestUploadsOptions(t *testing.T) {
	s := startGateway(t, nil)
	for _, path := range []string{"/uploads", "/uploads/anything"} {
		res, _ := s.do(t, "OPTIONS", path, nil, "Authorization", "")
		if res.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		for name, want := range map[string]string{
			"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Max-Size": "1048576",
			"Tus-Extension": "creation,creation-with-upload,termination,expiration,checksum", "Tus-Checksum-Algorithm": "crc32,md5,sha1,sha256",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
}

// What cannot become a job is refused before the first byte.
func TestResumableUploadRefused(t *testing.T) {
	s := startGateway(t, func(s *setup) { s.Config.Quota.Bytes = 1 << 19 })
	for name, c := range map[string]struct {
		header []string
		want   problem.Kind
	}{
		"no token":           {[]string{"Authorization", ""}, problem.NoToken},
		"no version":         {[]string{"Tus-Resumable", ""}, problem.UnsupportedTus},
		"other version":      {[]string{"Tus-Resumable", "0.2.2"}, problem.UnsupportedTus},
		"no length":          {[]string{"Upload-Length", ""}, problem.BadUpload},
		"negative length":    {[]string{"Upload-Length", "-1"}, problem.BadUpload},
		"deferred length":    {[]string{"Upload-Length", "", "Upload-Defer-Length", "1"}, problem.BadUpload},
		"empty":              {[]string{"Upload-Length", "0"}, problem.EmptyFile},
		"too large":          {[]string{"Upload-Length", strconv.Itoa(1<<20 + 1)}, problem.TooLarge},
		"over the quota":     {[]string{"Upload-Length", strconv.Itoa(1<<19 + 1)}, problem.QuotaExceeded},
		"bad option":         {[]string{"Upload-Metadata", metadata("bitrate", "1")}, problem.BadOption},
		"unknown option":     {[]string{"Upload-Metadata", metadata("bitrat", "64")}, problem.BadOption},
		"no webhook secret":  {[]string{"Upload-Metadata", metadata("notify_url", hookURL)}, problem.NoWebhookSecret},
		"bad metadata":       {[]string{"Upload-Metadata", "title =%="}, problem.BadUpload},
		"long metadata":      {[]string{"Upload-Metadata", metadata("title", strings.Repeat("x", 8<<10))}, problem.BadUpload},
		"unknown checksum":   {[]string{"Upload-Checksum", "sha3 AAAA"}, problem.BadUpload},
		"malformed checksum": {[]string{"Upload-Checksum", "sha1 AAAA"}, problem.BadUpload},
	} {
		t.Run(name, func(t *testing.T) {
			for _, body := range []io.Reader{nil, bytes.NewReader(film(1000))} {
				res, b := s.tus(t, "POST", "/uploads", body, append([]string{"Upload-Length", "1000"}, c.header...)...)
				checkProblem(t, res, b, c.want)
				if res.Header.Get("Tus-Resumable") != "1.0.0" {
					t.Error("no Tus-Resumable")
				}
			}
			s.checkNothingLeft(t)
		})
	}
}

// Concatenation is not advertised, and the header is ignored, as the protocol demands of
// extensions that a server does not know.
func TestUploadConcatIsIgnored(t *testing.T) {
	s := startGateway(t, nil)
	s.create(t, 10, "", "Upload-Concat", "partial")
}

func TestUploadsOfOthers(t *testing.T) {
	s := startGateway(t, nil)
	path := s.create(t, 1000, "")
	plain := "/uploads/" + s.mustUpload(t, "plain.mp4").ID
	for _, path := range []string{path, plain, "/uploads/0123456789abcdef01234567", "/uploads/x"} {
		for _, method := range []string{"HEAD", "PATCH", "DELETE", "POST"} {
			header := []string{"Upload-Offset", "0", "X-HTTP-Method-Override", "PATCH"} // which only POST has
			if !strings.HasPrefix(path, "/uploads/x") && path != plain {
				header = append(header, "Authorization", "Bearer "+s.tokenOf(t, "bert"))
			}
			res, b := s.tus(t, method, path, strings.NewReader("x"), header...)
			if method == "HEAD" {
				if res.StatusCode != http.StatusNotFound {
					t.Errorf("HEAD: %d", res.StatusCode)
				}
				continue
			}
			checkProblem(t, res, b, problem.UploadNotFound)
		}
	}
	if n := s.offset(t, path); n != 0 {
		t.Errorf("offset %d, want 0", n)
	}
}

func TestUploadCountsAgainstQuota(t *testing.T) {
	s := startGateway(t, func(s *setup) { s.Config.Quota.Bytes = 1500 })
	path := s.create(t, 1000, "")
	res, b := s.tus(t, "POST", "/uploads", nil, "Upload-Length", "501")
	checkProblem(t, res, b, problem.QuotaExceeded)
	res, b = s.upload(t, form{file{"a.mp4", video}})
	checkProblem(t, res, b, problem.QuotaExceeded)
	if res, b := s.tus(t, "DELETE", path, nil); res.StatusCode != http.StatusNoContent {
		t.Fatalf("DELETE: %d %s", res.StatusCode, b)
	}
	s.create(t, 1500, "")
	s.config.Quota.Jobs = 1
	res, b = s.tus(t, "POST", "/uploads", nil, "Upload-Length", "1")
	checkProblem(t, res, b, problem.TooManyJobs)
}

// Uploads that are created at the same moment do not exceed the quota together: their bytes
// would arrive without another check.
func TestUploadsCreatedAtOnceKeepTheQuota(t *testing.T) {
	const creations = 8
	var checked sync.WaitGroup // the quota, by each creation
	checked.Add(creations)
	s := startGateway(t, func(s *setup) {
		s.Config.Quota.Bytes = 1500
		records := s.Jobs
		s.Jobs = jobStore{Store: records, create: func(ctx context.Context, j jobs.Job) error {
			checked.Done()
			checked.Wait()
			return records.Create(ctx, j)
		}}
	})
	var created atomic.Int64
	var wg sync.WaitGroup
	for range creations {
		wg.Go(func() {
			res, b := s.tus(t, "POST", "/uploads", nil, "Upload-Length", "1000")
			switch res.StatusCode {
			case http.StatusCreated:
				created.Add(1)
			case problem.QuotaExceeded.Status:
			default:
				t.Errorf("%d %s", res.StatusCode, b)
			}
		})
	}
	wg.Wait()
	if n := created.Load(); n > 1 {
		t.Errorf("%d uploads of 1000 bytes, the quota is 1500", n)
	}
	used, err := s.Jobs.Usage(t.Context(), "anna")
	if want := created.Load() * 1000; err != nil || used.Bytes != want {
		t.Errorf("%d bytes in use, %v; want %d", used.Bytes, err, want)
	}
}

// uncountedStore is a media store that cannot tell how much of an object is stored.
type uncountedStore struct{ media.Store }

func (uncountedStore) Written(context.Context, string) (int64, error) { return 0, errBroken }

// A client that follows an upload must not conclude that it is gone when a store is away.
func TestJobOfAnUploadWhileTheStoreIsAway(t *testing.T) {
	s := startGateway(t, func(s *setup) { s.Videos = uncountedStore{s.Videos} })
	path := s.create(t, 1000, "")
	res, b := s.do(t, "GET", strings.Replace(path, "/uploads/", "/jobs/", 1), nil)
	checkProblem(t, res, b, problem.Unavailable)
}

func TestPatchRefused(t *testing.T) {
	s := startGateway(t, nil)
	data := film(1000)
	path := s.create(t, len(data), "")
	s.mustPatch(t, path, 0, data[:600])
	for name, c := range map[string]struct {
		offset int
		part   []byte
		header []string
		want   problem.Kind
	}{
		"offset too low":  {599, data[599:], nil, problem.OffsetConflict},
		"offset too high": {601, data[601:], nil, problem.OffsetConflict},
		"too long":        {600, data, nil, problem.BadUpload},
		"no offset":       {600, data[600:], []string{"Upload-Offset", ""}, problem.BadUpload},
		"other type":      {600, data[600:], []string{"Content-Type", "video/mp4"}, problem.BadUpload},
		"no version":      {600, data[600:], []string{"Tus-Resumable", ""}, problem.UnsupportedTus},
		"length":          {600, data[600:], []string{"Upload-Length", "2000"}, problem.BadUpload},
		"wrong checksum":  {600, data[600:], []string{"Upload-Checksum", checksumOf(data)}, problem.ChecksumMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			res, b := s.patch(t, path, c.offset, c.part, c.header...)
			checkProblem(t, res, b, c.want)
			if n := s.offset(t, path); n != 600 {
				t.Errorf("offset %d, want 600", n)
			}
		})
	}
	pods{s, s}.finish(t, path, data)
}

func TestUploadChecksum(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(600_000)
		path := p.a.create(t, len(data), "")
		const half = 300_000
		for _, end := range []int{half, len(data)} {
			begin := end - half
			damaged := bytes.Clone(data[begin:end])
			damaged[len(damaged)-1]++
			res, b := p.a.patch(t, path, begin, damaged, "Upload-Checksum", checksumOf(data[begin:end]))
			checkProblem(t, res, b, problem.ChecksumMismatch)
			if n := p.b.offset(t, path); n != begin {
				t.Fatalf("offset %d after a wrong checksum, want %d", n, begin)
			}
			p.b.mustPatch(t, path, begin, data[begin:end], "Upload-Checksum", checksumOf(data[begin:end]))
		}
		p.checkJob(t, path, data)
	})
}

// A file that is not a video is refused at its first part, or when it is complete if its
// first part is too short to tell.
func TestResumableUploadIsNoVideo(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		text := bytes.Repeat([]byte("text, and no film. "), 100)
		for _, parts := range [][]int{{len(text)}, {600, 1300}, {10, 1890}} {
			path := p.a.create(t, len(text), "")
			at := 0
			for i, n := range parts {
				res, b := p.b.patch(t, path, at, text[at:at+n])
				at += n
				if i == 0 && n < 512 {
					continue
				}
				checkProblem(t, res, b, problem.UnsupportedMediaType)
				break
			}
			res, _ := p.a.tus(t, "HEAD", path, nil)
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("parts %v: HEAD: %d, want 404", parts, res.StatusCode)
			}
		}
		p.a.checkNothingLeft(t)
	})
}

func TestMethodOverride(t *testing.T) {
	s := startGateway(t, nil)
	data := film(100)
	path := s.create(t, len(data), "")
	res, b := s.tus(t, "POST", path, bytes.NewReader(data[:50]), "Upload-Offset", "0", "X-HTTP-Method-Override", "PATCH")
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("PATCH: %d %s", res.StatusCode, b)
	}
	if n := s.offset(t, path); n != 50 {
		t.Errorf("offset %d, want 50", n)
	}
	res, b = s.tus(t, "POST", path, nil, "X-HTTP-Method-Override", "DELETE")
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("DELETE: %d %s", res.StatusCode, b)
	}
	s.checkNothingLeft(t)
}

// A connection breaks inside a part: what has arrived is kept.
func TestUploadConnectionBreaks(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(900_000)
		path := p.a.create(t, len(data), "")
		part := newSlowPart(t, p.a, path, 0, len(data), nil)
		part.send(data[:500_000])
		part.break_()
		if n := p.b.offset(t, path); n < 250_000 || n > 500_000 {
			t.Errorf("offset %d, want about the 500000 bytes that were sent", n)
		}
		p.finish(t, path, data)
	})
}

// The client resumes although the pod has not noticed that the connection is broken.
func TestUploadIsTakenOver(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(900_000)
		path := p.a.create(t, len(data), "")
		part := newSlowPart(t, p.a, path, 0, len(data), nil)
		part.send(data[:500_000])
		if n := p.b.offset(t, path); n != 500_000 {
			t.Errorf("offset %d, want 500000", n)
		}
		res, b := part.response()
		checkProblem(t, res, b, problem.UploadLocked)
		if res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		p.finish(t, path, data)
	})
}

// An upload is deleted while another pod writes to it.
func TestDeleteWhileWriting(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(900_000)
		path := p.a.create(t, len(data), "")
		part := newSlowPart(t, p.a, path, 0, len(data), nil)
		part.send(data[:500_000])
		if res, b := p.b.tus(t, "DELETE", path, nil); res.StatusCode != http.StatusNoContent {
			t.Fatalf("DELETE: %d %s", res.StatusCode, b)
		}
		res, b := part.response()
		checkProblem(t, res, b, problem.UploadLocked)
		p.a.checkNothingLeft(t)
		if n, err := p.a.Videos.Sweep(t.Context(), time.Now().Add(time.Hour), nil); n != 0 || err != nil {
			t.Errorf("%d incomplete videos are left, %v", n, err)
		}
	})
}

func TestConcurrentParts(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(600_000)
		path := p.a.create(t, len(data), "")
		p.a.mustPatch(t, path, 0, data[:1000])
		var accepted atomic.Int32
		var wg sync.WaitGroup
		for i := range 4 {
			s := []*testGateway{p.a, p.b}[i%2]
			wg.Go(func() {
				res, b := s.patch(t, path, 1000, data[1000:])
				switch res.StatusCode {
				case http.StatusNoContent:
					accepted.Add(1)
				case http.StatusConflict, http.StatusLocked:
				default:
					t.Errorf("%d %s", res.StatusCode, b)
				}
			})
		}
		wg.Wait()
		if n := accepted.Load(); n > 1 {
			t.Errorf("%d of the parts were accepted, want 1 at most", n)
		}
		p.finish(t, path, data)
	})
}

// slowPart is a PATCH request whose body the test sends piece by piece.
type slowPart struct {
	t    testing.TB
	s    *testGateway
	body *io.PipeWriter
	done chan struct{}
	stop context.CancelFunc

	path string
	sent int
	res  *http.Response
	text []byte
	err  error
}

func newSlowPart(t testing.TB, s *testGateway, path string, offset, size int, header http.Header) *slowPart {
	t.Helper()
	r, w := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	p := &slowPart{t: t, s: s, body: w, done: make(chan struct{}), stop: stop, path: path, sent: offset}
	req, err := http.NewRequestWithContext(ctx, "PATCH", s.url+path, r)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(size - offset)
	req.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Tus-Resumable": {"1.0.0"}, "Content-Type": {"application/offset+octet-stream"}, "Upload-Offset": {strconv.Itoa(offset)}}
	for name, values := range header {
		req.Header[name] = values
	}
	go func() {
		defer close(p.done)
		if p.res, p.err = s.client.Do(req); p.err == nil {
			p.text, _ = io.ReadAll(p.res.Body)
			p.res.Body.Close()
		}
		r.CloseWithError(fmt.Errorf("the response has come"))
	}()
	t.Cleanup(func() { stop(); w.Close(); <-p.done })
	return p
}

// send sends bytes and waits until the gateway has read them.
func (p *slowPart) send(b []byte) {
	p.t.Helper()
	if _, err := p.body.Write(b); err != nil {
		p.t.Fatal(err)
	}
	p.sent += len(b)
	waitUntil(p.t, "the upload is locked", func() bool {
		j, err := p.s.Jobs.Get(p.t.Context(), strings.TrimPrefix(p.path, "/uploads/"))
		return err == nil && j.Lease.Holder != ""
	})
}

// break_ closes the connection.
func (p *slowPart) break_() {
	p.stop()
	p.body.CloseWithError(io.ErrClosedPipe) // or the client waits for it
	<-p.done
}

func (p *slowPart) response() (*http.Response, []byte) {
	p.t.Helper()
	<-p.done
	if p.err != nil {
		p.t.Fatal(p.err)
	}
	return p.res, p.text
}

// dyingPod is a gateway whose stores stop to answer, like those of a pod that is killed.
type dyingPod struct {
	jobs.Store
	dead atomic.Bool
}

func (d *dyingPod) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	if d.dead.Load() {
		return jobs.Job{}, context.DeadlineExceeded
	}
	return d.Store.Update(ctx, id, change)
}

func (d *dyingPod) Get(ctx context.Context, id string) (jobs.Job, error) {
	if d.dead.Load() {
		return jobs.Job{}, context.DeadlineExceeded
	}
	return d.Store.Get(ctx, id)
}

// dyingVideos loses what arrives after its pod has died.
type dyingVideos struct {
	media.Store
	dead *atomic.Bool
}

func (d dyingVideos) Truncate(ctx context.Context, id string, size int64) error {
	if d.dead.Load() {
		return context.DeadlineExceeded
	}
	return d.Store.Truncate(ctx, id, size)
}

// laterJobs is a store whose clock is ahead.
type laterJobs struct {
	jobs.Store
	by *atomic.Int64
}

func (l laterJobs) Now() time.Time { return l.Store.Now().Add(time.Duration(l.by.Load())) }

// dying returns two pods. The first one dies on request, and the clock of the stores then
// shows that its leases have expired.
func dying(t *testing.T, open func(testing.TB, *setup)) (p pods, die func()) {
	pod := &dyingPod{}
	by := new(atomic.Int64)
	var shared Deps
	p.a = startGateway(t, func(s *setup) {
		if open != nil {
			open(t, s)
		}
		s.Jobs = laterJobs{s.Jobs, by}
		shared = s.Deps
		pod.Store = s.Jobs
		s.Jobs = pod
		s.Videos = dyingVideos{s.Videos, &pod.dead}
	})
	p.b = startGateway(t, func(s *setup) { s.Deps = shared })
	p.b.queue, p.b.dir = p.a.queue, p.a.dir
	return p, func() {
		pod.dead.Store(true)
		by.Store(int64(jobs.UploadLease + time.Second))
	}
}

// A pod dies inside a part. Another one takes over when the lease has expired, also if the
// first one goes on to store what it has received.
func TestPodDiesInsidePart(t *testing.T) {
	for name, open := range map[string]func(testing.TB, *setup){"SQLite and disk": nil, "MongoDB and GridFS": useMongoDB} {
		for _, checked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", with a checksum: ", checked), func(t *testing.T) {
				p, die := dying(t, open)
				data := film(900_000)
				path := p.a.create(t, len(data), "")
				p.a.mustPatch(t, path, 0, data[:10_000])
				var header http.Header
				if checked {
					header = http.Header{"Upload-Checksum": {checksumOf(data[10_000:])}}
				}
				part := newSlowPart(t, p.a, path, 10_000, len(data), header)
				part.send(data[10_000:500_000])
				if checked {
					waitUntil(t, "the part is recorded", func() bool {
						j, err := p.b.Jobs.Get(t.Context(), strings.TrimPrefix(path, "/uploads/"))
						return err == nil && j.Resumable.UnverifiedFrom != nil
					})
				}
				die()
				part.break_()
				waitUntil(t, "the first pod has stored what it received", func() bool {
					n, err := p.b.Videos.Written(t.Context(), strings.TrimPrefix(path, "/uploads/"))
					return err == nil && n > 10_000
				})
				waitUntil(t, "the upload can be continued", func() bool {
					res, _ := p.b.tus(t, "HEAD", path, nil)
					return res.StatusCode == http.StatusOK
				})
				n := p.b.offset(t, path)
				if checked && n != 10_000 || n < 10_000 || n > 500_000 {
					t.Errorf("offset %d", n)
				}
				p.b.mustPatch(t, path, n, data[n:])
				pods{p.b, p.b}.checkJob(t, path, data)
			})
		}
	}
}

// A pod dies between the last byte and the record. Whoever asks next finishes the upload.
func TestPodDiesBeforeRecord(t *testing.T) {
	for name, ask := range map[string]func(*testing.T, pods, string){
		"HEAD":           func(t *testing.T, p pods, path string) { p.b.offset(t, path) },
		"GET of the job": func(t *testing.T, p pods, path string) {},
		"PATCH":          func(t *testing.T, p pods, path string) { p.b.mustPatch(t, path, 700_000, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			for name, open := range map[string]func(testing.TB, *setup){"SQLite and disk": nil, "MongoDB and GridFS": useMongoDB} {
				t.Run(name, func(t *testing.T) {
					p, die := dying(t, open)
					data := film(700_000)
					path := p.a.create(t, len(data), "")
					part := newSlowPart(t, p.a, path, 0, len(data), nil)
					part.send(data[:600_000])
					die()
					part.sendLast(data[600_000:])
					res, b := part.response()
					checkProblem(t, res, b, problem.Unavailable)
					ask(t, p, path)
					pods{p.b, p.b}.checkJob(t, path, data)
				})
			}
		})
	}
}

// sendLast sends the last bytes without waiting for the record.
func (p *slowPart) sendLast(b []byte) {
	p.t.Helper()
	if _, err := p.body.Write(b); err != nil {
		p.t.Fatal(err)
	}
	p.body.Close()
}

// A creation that is repeated with its key is one upload, and later its job.
func TestResumableUploadWithKey(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		data := film(300_000)
		creation := func(s *testGateway, size int, body io.Reader, header ...string) (*http.Response, []byte) {
			return s.tus(t, "POST", "/uploads", body, append([]string{
				"Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata("filename", "a.mp4"), "Idempotency-Key", "k"}, header...)...)
		}
		res, b := creation(p.a, len(data), nil)
		if res.StatusCode != http.StatusCreated || res.Header.Get("Idempotency-Replayed") != "" {
			t.Fatalf("%d %s", res.StatusCode, b)
		}
		path := res.Header.Get("Location")
		replayed := func(offset int, body io.Reader, header ...string) {
			t.Helper()
			res, b := creation(p.b, len(data), body, header...)
			if res.StatusCode != http.StatusCreated || res.Header.Get("Location") != path || res.Header.Get("Idempotency-Replayed") != "true" ||
				res.Header.Get("Upload-Offset") != strconv.Itoa(offset) {
				t.Errorf("repeated at %d: %d %v %s", offset, res.StatusCode, res.Header, b)
			}
		}
		replayed(0, nil)
		p.b.mustPatch(t, path, 0, data[:100_000])
		replayed(100_000, bytes.NewReader(data), "Content-Type", "application/offset+octet-stream")

		res, b = creation(p.b, len(data)+1, nil)
		checkProblem(t, res, b, problem.IdempotencyKeyReused)
		res, b = p.b.do(t, "POST", "/upload", bytes.NewReader(data), "Content-Type", "video/mp4", "Idempotency-Key", "k")
		checkProblem(t, res, b, problem.IdempotencyKeyReused)
		res, b = p.a.tus(t, "POST", "/uploads", nil, "Upload-Length", "5", "Idempotency-Key", `"unfinished`)
		checkProblem(t, res, b, problem.BadRequest)

		p.finish(t, path, data)
		replayed(len(data), nil)
		if res, b := p.a.do(t, "DELETE", strings.Replace(path, "/uploads/", "/jobs/", 1)+"?cancel=true", nil); res.StatusCode != http.StatusNoContent {
			t.Fatalf("%d %s", res.StatusCode, b)
		}
		if res, _ := creation(p.a, len(data), nil); res.StatusCode != http.StatusCreated || res.Header.Get("Location") == path {
			t.Errorf("after the job was deleted: %d %s", res.StatusCode, res.Header.Get("Location"))
		}
	})
}

// Of many equal creations at once, one makes the upload.
func TestManyCreationsWithOneKey(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		var wg sync.WaitGroup
		paths := make([]string, 20)
		for i := range paths {
			s := []*testGateway{p.a, p.b}[i%2]
			wg.Go(func() {
				for t.Context().Err() == nil {
					res, b := s.tus(t, "POST", "/uploads", nil, "Upload-Length", "1000", "Idempotency-Key", "k")
					if res.StatusCode == http.StatusConflict {
						continue // is repeated sooner than Retry-After says
					}
					if paths[i] = res.Header.Get("Location"); res.StatusCode != http.StatusCreated {
						t.Errorf("%d %s", res.StatusCode, b)
					}
					return
				}
			})
		}
		wg.Wait()
		for _, path := range paths {
			if path != paths[0] || path == "" {
				t.Fatalf("uploads %v, want one", paths)
			}
		}
	})
}

// The parameters of the form exist in the metadata, too.
func TestResumableUploadFields(t *testing.T) {
	s := startGateway(t, nil)
	s.do(t, "POST", "/webhook/secret", nil)
	path := s.create(t, 1000, metadata("filename", "a.mp4", "tag", "order 1", "bitrate", "128", "notify_url", hookURL))
	j, err := s.Jobs.Get(t.Context(), strings.TrimPrefix(path, "/uploads/"))
	if err != nil || j.Tag != "order 1" || j.Options.Bitrate != 128 || j.NotifyURL != hookURL {
		t.Errorf("%+v, %v", j, err)
	}
	for key, want := range map[string]problem.Kind{"tag": problem.BadOption, "notify_url": problem.BadWebhookURL} {
		res, b := s.tus(t, "POST", "/uploads", nil, "Upload-Length", "1000", "Upload-Metadata", metadata(key, "\x00"))
		checkProblem(t, res, b, want)
	}
}
