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

	"mp3converter/test/buildcache"
)

// buildServer returns the path of the FerretDB program.
func buildServer() (string, error) {
	return buildcache.Build("ferretdb", "test/ferretdb", ".", "-tags=ferretdb_no_postgresql")
}

// process is a running FerretDB.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // the process exits when it is closed
	uri   string
}

// start runs the program until stop or kill is called, or until this process
// exits.
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
	// Not the output of the test: go test waits until all its writers have exited.
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
		p.kill() // and wait, so that stderr is complete
		return nil, fmt.Errorf("FerretDB did not start: %s", stderr.Bytes())
	}
	return p, nil
}

// kill kills the process with SIGKILL and waits for it.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	return ignoreExitError(p.cmd.Wait())
}

// stop asks the process to exit and kills it after a minute.
func (p *process) stop() error {
	p.stdin.Close()
	timer := time.AfterFunc(time.Minute, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	return ignoreExitError(p.cmd.Wait())
}

// ignoreExitError returns nil for an exit status other than 0.
func ignoreExitError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}
