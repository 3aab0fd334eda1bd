package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mp3converter/test/samples"
	"mp3converter/test/testproc"
	"mp3converter/test/toxic"
)

// The scripts in testdata run the real program and use it through curl.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mp3converter": main, "mp3converter-crashing": crashing})
}

func TestSession(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			ports := testproc.FreePorts(t, 2)
			port := strconv.Itoa(ports[0])
			env.Setenv("PORT", port)
			env.Setenv("HOOK_PORT", strconv.Itoa(ports[1]))
			env.Setenv("URL", "http://localhost:"+port)
			env.Setenv("LOCAL_USER", "user@example.com:correct horse")
			env.Setenv("DATA_DIR", filepath.Join(env.WorkDir, "data"))
			env.Setenv("HOME", os.Getenv("HOME"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			slow := toxic.Start(t, "127.0.0.1:"+port)
			env.Setenv("PROXY", "http://"+slow.Addr)
			env.Values[proxyKey{}] = slow
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":   ready,
			"video":   video,
			"page":    page,
			"setenv":  setenv,
			"sigterm": sigterm,
			"limit":   func(ts *testscript.TestScript, _ bool, args []string) { limit(t, ts, args) },
			"status":  status,
			"waitfor": waitFor,
			"sent":    sent,

			"receiver": startReceiver,
			"received": received,
		},
	})
}

// ready waits until the service is ready.
func ready(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get(ts.Getenv("URL") + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
	ts.Fatalf("the service did not become ready")
}

// video NAME SECONDS creates a sample video.
func video(ts *testscript.TestScript, _ bool, args []string) {
	seconds, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	dir := ts.MkAbs(".")
	path, err := samples.Spec{Name: "sample" + filepath.Ext(args[0]), Seconds: seconds}.Path(dir)
	ts.Check(err)
	ts.Check(os.Rename(path, filepath.Join(dir, args[0])))
}

// page PAGE SCRIPT writes the commands of a page to a script, with the address of the service.
func page(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(args[0]) // the test runs in the directory of its package
	ts.Check(err)
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllSubmatch(text, -1) {
		script.Write(block[1])
	}
	commands := strings.ReplaceAll(script.String(), "http://localhost:8080", ts.Getenv("URL"))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(commands), 0o600))
}

// setenv NAME REGEXP sets a variable from the output of the last command.
func setenv(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("no match for %s in %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], found[len(found)-1])
	fmt.Fprintf(ts.Stdout(), "%s=%s\n", args[0], found[len(found)-1])
}

// sigterm sends SIGTERM to the background programs.
func sigterm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		if cmd.ProcessState == nil {
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		}
	}
}

type proxyKey struct{} // of the *toxic.Proxy in the values of a script

// limit N limits connections to $PROXY to N kilobytes per second. limit 0 closes them and
// ends the limit.
func limit(t *testing.T, ts *testscript.TestScript, args []string) {
	proxy := ts.Value(proxyKey{}).(*toxic.Proxy)
	rate, err := strconv.Atoi(args[0])
	ts.Check(err)
	if rate == 0 {
		proxy.Heal(t)
		return
	}
	proxy.Apply(t, toxic.LimitRate(rate))
}

// status N PROGRAM ARGUMENTS... runs a program that must exit with status N.
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// waitFor PATTERN [BYTES] waits until there is a file that matches and has as many bytes.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	bytes := int64(0)
	if len(args) > 1 {
		var err error
		bytes, err = strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		found, _ := filepath.Glob(ts.MkAbs(args[0]))
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && (info.IsDir() || info.Size() >= bytes) {
				return
			}
		}
	}
	ts.Fatalf("there is no %s", strings.Join(args, " of size "))
}

// sent MIN MAX checks how much of FILE the last command has sent, by its --json: the bytes
// ÷ the size of the file.
func sent(ts *testscript.TestScript, _ bool, args []string) {
	var result struct {
		File string
		Sent float64
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &result))
	info, err := os.Stat(ts.MkAbs(result.File))
	ts.Check(err)
	least, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	most, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	ratio := result.Sent / float64(info.Size())
	if ratio < least || ratio > most {
		ts.Fatalf("sent ÷ size is %.2f, want %v to %v", ratio, least, most)
	}
	ts.Logf("sent ÷ size: %.2f", ratio)
}
