package main

import (
	"fmt"
	"net/http"
	"os"
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
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":   ready,
			"video":   video,
			"page":    page,
			"setenv":  setenv,
			"sigterm": sigterm,

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
