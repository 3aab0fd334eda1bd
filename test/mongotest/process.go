package mongotest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// process is a running FerretDB.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // its end is the end of the process
	uri   string
}

// start runs the program until this process ends, or stop or kill is called.
func start(path string, args ...string) (*process, error) {
	cmd := exec.Command(path, append([]string{"-until-eof"}, args...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// Never the test's own output: go test would wait for the child to let
	// go of it.
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin}

	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- strings.TrimSpace(text)
	}()
	select {
	case p.uri = <-line:
	case <-time.After(2 * time.Minute):
	}
	if p.uri == "" {
		p.kill() // afterwards nobody writes to stderr
		return nil, fmt.Errorf("FerretDB did not start: %s", stderr.Bytes())
	}
	return p, nil
}

// kill ends the process as a power cut does.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	return ended(p.cmd.Wait())
}

// stop ends the process and lets it clean up, for a while.
func (p *process) stop() error {
	p.stdin.Close()
	late := time.AfterFunc(time.Minute, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	return ended(p.cmd.Wait())
}

// ended passes over the way in which a process has ended.
func ended(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}
