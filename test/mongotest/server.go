package mongotest

import (
	"net/url"
	"testing"
)

// Server is a FerretDB for one test, which may kill and restart it.
type Server struct {
	URI string

	path, dir string
	process   *process // nil while it is not running
}

// Start starts a server that stops when the test ends. Unlike URI it ignores
// MONGODB_URI, so that no other server is killed.
func Start(t testing.TB) *Server {
	t.Helper()
	path, err := buildServer()
	if err != nil {
		t.Fatalf("mongotest: %v", err)
	}
	s := &Server{path: path, dir: t.TempDir()}
	s.start(t, "127.0.0.1:0")
	t.Cleanup(func() {
		if s.process != nil {
			if err := s.process.stop(); err != nil {
				t.Errorf("mongotest: %v", err)
			}
		}
	})
	return s
}

func (s *Server) start(t testing.TB, address string) {
	t.Helper()
	p, err := start(s.path, "-dir", s.dir, "-listen", address)
	if err != nil {
		t.Fatalf("mongotest: %v", err)
	}
	s.process, s.URI = p, p.uri
}

// Kill kills the server with SIGKILL.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.process.kill(); err != nil {
		t.Fatalf("mongotest: kill: %v", err)
	}
	s.process = nil
}

// Restart starts a killed server again, with its data, at the same address.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	u, err := url.Parse(s.URI)
	if err != nil {
		t.Fatalf("mongotest: %v", err)
	}
	s.start(t, u.Host)
}
