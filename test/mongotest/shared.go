package mongotest

import "sync"

// sharedServer is a FerretDB that runs while at least one test uses it.
type sharedServer struct {
	mu      sync.Mutex
	users   int
	process *process
}

var shared sharedServer

// acquire starts the server for the first test and returns its URI. Each
// successful call must be followed by a call of release.
func (s *sharedServer) acquire() (uri string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		path, err := buildServer()
		if err != nil {
			return "", err
		}
		if s.process, err = start(path); err != nil {
			return "", err
		}
	}
	s.users++
	return s.process.uri, nil
}

// release stops the server after the last test.
func (s *sharedServer) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	if s.users > 0 {
		return nil
	}
	return s.process.stop()
}
