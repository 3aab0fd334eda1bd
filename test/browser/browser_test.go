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

// person is somebody with a browser.
type person struct {
	t         *testing.T
	ctx       context.Context
	downloads string

	mu     sync.Mutex
	errors []string // of the page's script and of what the browser forbade it
}

func openBrowser(t *testing.T) *person {
	t.Helper()
	chromium := installed("chromium", "chromium-browser", "google-chrome")
	if chromium == "" {
		t.Fatal("chromium is not installed: run WITH_BROWSER=1 hack/deps.sh")
	}
	dir := t.TempDir()
	p := &person{t: t, downloads: filepath.Join(dir, "downloads")}
	if err := os.Mkdir(p.downloads, 0o700); err != nil {
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
		chromedp.Cancel(ctx) // and waits for the browser to end
		end()
	})
	p.ctx = ctx
	p.do() // starts it
	if err := chromedp.Listen(ctx, p.heard); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: p.downloads,
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// installed returns the path of the first of these programs that is there, or "".
func installed(programs ...string) string {
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	return ""
}

// heard notes what no page should cause, and says yes to every question.
func (p *person) heard(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, fmt.Sprintf("%s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *cdplog.EventEntryAdded:
		// Refusals are part of these stories.
		if e.Entry.Level == cdplog.EntryLevelError && e.Entry.Source != cdplog.EntrySourceNetwork {
			p.errors = append(p.errors, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		go chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	}
}

func (p *person) noErrors() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.errors {
		p.t.Errorf("the browser says: %s", e)
	}
}

func (p *person) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// find returns the value of an expression in the page.
func find[T any](p *person, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// row is one line of the list as it is shown.
type row struct {
	Name, State string
	Buttons     []string
	Percent     float64 // -1 without a bar
}

func (p *person) rows() []row {
	p.t.Helper()
	return find[[]row](p, `[...document.querySelectorAll("#list li")].map((li) => ({
		Name: li.querySelector(".name").innerText,
		State: li.querySelector(".state").innerText,
		Buttons: [...li.querySelectorAll("button")].map((b) => b.innerText),
		Percent: li.querySelector("progress").hidden ? -1 : li.querySelector("progress").value,
	}))`)
}

// row returns the first row of a name, or one without a state.
func (p *person) row(name string) row {
	p.t.Helper()
	for _, r := range p.rows() {
		if r.Name == name {
			return r
		}
	}
	return row{Name: name}
}

// sees waits until the row of that name shows a state that begins so.
func (p *person) sees(name, state string) row {
	p.t.Helper()
	var r row
	until(p.t, fmt.Sprintf("%q shows %q", name, state), func() bool {
		r = p.row(name)
		return strings.HasPrefix(r.State, state)
	})
	return r
}

// press clicks a button in the row of that name.
func (p *person) press(name, button string) {
	p.t.Helper()
	label, _ := json.Marshal(button + ": " + name)
	until(p.t, fmt.Sprintf("%q has a button %q", name, button), func() bool {
		return find[bool](p, fmt.Sprintf(`[...document.querySelectorAll("#list button")].some((b) => b.getAttribute("aria-label") === %s)`, label))
	})
	// Not awaited: the click may open a dialog, which holds the script.
	find[int](p, fmt.Sprintf(`setTimeout(() => [...document.querySelectorAll("#list button")].find((b) => b.getAttribute("aria-label") === %s).click())`, label))
}

func (p *person) notice() string {
	p.t.Helper()
	return find[string](p, `document.getElementById("notice").innerText`)
}

// downloaded waits for a file and returns what is in it.
func (p *person) downloaded(name string) []byte {
	p.t.Helper()
	path := filepath.Join(p.downloads, name)
	until(p.t, name+" is downloaded", func() bool {
		partial, _ := filepath.Glob(filepath.Join(p.downloads, "*.crdownload"))
		_, err := os.Stat(path)
		return err == nil && len(partial) == 0
	})
	b, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}
