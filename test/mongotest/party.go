package mongotest

import "sync"

// party is a FerretDB that runs as long as any test uses it.
type party struct {
	mu      sync.Mutex
	guests  int
	process *process
}

var shared party

func (p *party) join() (uri string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.guests == 0 {
		path, err := build()
		if err != nil {
			return "", err
		}
		if p.process, err = start(path); err != nil {
			return "", err
		}
	}
	p.guests++
	return p.process.uri, nil
}

func (p *party) leave() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.guests--
	if p.guests > 0 {
		return nil
	}
	return p.process.stop()
}
