package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// visitor controls one browser. Its methods fail the test on errors.
type visitor struct {
	t         *testing.T
	ctx       context.Context
	downloads string

	mu     sync.Mutex
	errors []string // script errors and blocked requests
}

func openBrowser(t *testing.T) *visitor {
	t.Helper()
	chromium := findProgram("chromium", "chromium-browser", "google-chrome")
	if chromium == "" {
		t.Fatal("chromium is not installed: run WITH_BROWSER=1 hack/deps.sh")
	}
	dir := t.TempDir()
	v := &visitor{t: t, downloads: filepath.Join(dir, "downloads")}
	if err := os.Mkdir(v.downloads, 0o700); err != nil {
		t.Fatal(err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.WindowSize(880, 760),
		chromedp.Flag("lang", "en-GB"),
	}
	for _, on := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "disable-extensions", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(on, true))
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // waits for the browser to exit
		end()
	})
	v.ctx = ctx
	v.do() // starts the browser
	if err := chromedp.Listen(ctx, v.handleEvent); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: v.downloads,
	}); err != nil {
		t.Fatal(err)
	}
	return v
}

// findProgram returns the path of the first program that is installed, or "".
func findProgram(programs ...string) string {
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	return ""
}

// handleEvent records errors and accepts every dialog.
func (v *visitor) handleEvent(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		v.errors = append(v.errors, fmt.Sprintf("%s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *cdplog.EventEntryAdded:
		// Responses with an error status are expected.
		if e.Entry.Level == cdplog.EntryLevelError && e.Entry.Source != cdplog.EntrySourceNetwork {
			v.errors = append(v.errors, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		go chromedp.Call(v.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	}
}

func (v *visitor) checkNoErrors() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.errors {
		v.t.Errorf("browser error: %s", e)
	}
}

func (v *visitor) do(actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, actions...); err != nil {
		v.t.Fatal(err)
	}
}

// evaluate returns the value of a JavaScript expression in the page.
func evaluate[T any](v *visitor, expression string) T {
	v.t.Helper()
	value, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		v.t.Fatal(err)
	}
	return value
}

// row is one row of the list, as displayed.
type row struct {
	Name, State string
	Buttons     []string
	Percent     float64 // -1 without a progress bar
}

func (v *visitor) rows() []row {
	v.t.Helper()
	return evaluate[[]row](v, `[...document.querySelectorAll("#list li")].map((li) => ({
		Name: li.querySelector(".name").innerText,
		State: li.querySelector(".state").innerText,
		Buttons: [...li.querySelectorAll("button")].map((b) => b.innerText),
		Percent: li.querySelector("progress").hidden ? -1 : li.querySelector("progress").value,
	}))`)
}

// row returns the first row with the given name. If there is none, the result has no
// state.
func (v *visitor) row(name string) row {
	v.t.Helper()
	for _, r := range v.rows() {
		if r.Name == name {
			return r
		}
	}
	return row{Name: name}
}

// waitForState waits until the state of a row starts with the given text.
func (v *visitor) waitForState(name, state string) row {
	v.t.Helper()
	var r row
	waitUntil(v.t, fmt.Sprintf("%q shows %q", name, state), func() bool {
		r = v.row(name)
		return strings.HasPrefix(r.State, state)
	})
	return r
}

// click clicks a button in a row.
func (v *visitor) click(name, button string) {
	v.t.Helper()
	label, _ := json.Marshal(button + ": " + name)
	waitUntil(v.t, fmt.Sprintf("%q has a button %q", name, button), func() bool {
		return evaluate[bool](v, fmt.Sprintf(`[...document.querySelectorAll("#list button")].some((b) => b.getAttribute("aria-label") === %s)`, label))
	})
	// The click may open a dialog, which blocks the script until it is accepted.
	evaluate[int](v, fmt.Sprintf(`setTimeout(() => [...document.querySelectorAll("#list button")].find((b) => b.getAttribute("aria-label") === %s).click())`, label))
}

func (v *visitor) notice() string {
	v.t.Helper()
	return evaluate[string](v, `document.getElementById("notice").innerText`)
}

// waitForDownload waits for a downloaded file and returns its content.
func (v *visitor) waitForDownload(name string) []byte {
	v.t.Helper()
	path := filepath.Join(v.downloads, name)
	waitUntil(v.t, name+" is downloaded", func() bool {
		partial, _ := filepath.Glob(filepath.Join(v.downloads, "*.crdownload"))
		_, err := os.Stat(path)
		return err == nil && len(partial) == 0
	})
	b, err := os.ReadFile(path)
	if err != nil {
		v.t.Fatal(err)
	}
	return b
}
