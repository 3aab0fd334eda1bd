package browser

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"mp3converter/test/samples"
)

var screenshot = flag.String("screenshot", "", "write the picture of the page to this file")

const (
	holiday = "Holiday in Norway.mp4"
	concert = "Söhne & Töchter – “live”.webm"
	silent  = "Silent film.mp4"
	lecture = "Lecture 12.mkv"
)

// TestPage is one person's visit, from the first look to the logout.
func TestPage(t *testing.T) {
	s := start(t)
	p := openBrowser(t)
	p.do(chromedp.EmulateViewport(880, 660, chromedp.EmulateScale(1.5)))
	dir := t.TempDir()
	videos := []string{
		video(t, dir, holiday, samples.Spec{Seconds: 20}),
		video(t, dir, concert, samples.Spec{Seconds: 7, Video: "libvpx -deadline realtime", Audio: "libopus", Rate: 48000}),
		video(t, dir, silent, samples.Spec{Seconds: 2, Audio: "none"}),
	}
	long := video(t, dir, lecture, samples.Spec{Seconds: 1200, Rate: 48000, Video: "none", Audio: "pcm_s16le"})

	const email, password = "anna@example.com", "pässword of anna"
	p.do(chromedp.Navigate(s.url), chromedp.WaitVisible("#email"))
	if got := find[string](p, `document.activeElement.id`); got != "email" && got != "" {
		t.Errorf("the focus is on %q", got)
	}

	// A wrong password is told in words; an account is made; Enter logs in.
	p.do(chromedp.SendKeys("#email", email), chromedp.SendKeys("#password", password+kb.Enter))
	until(t, "the login is refused", func() bool { return strings.Contains(p.notice(), "password is wrong") })
	p.do(chromedp.Click(`button[value="register"]`), chromedp.WaitVisible("#drop"))
	if got := find[string](p, `document.getElementById("who").innerText`); got != email {
		t.Errorf("logged in as %q", got)
	}
	if got := p.notice(); got != "" {
		t.Errorf("notice %q", got)
	}

	// Several videos at once; what became of each is told.
	p.do(chromedp.SetUploadFiles("#files", videos[:1]))
	p.sees(holiday, "Ready · 0:20 · 48") // kB: 192 kbit/s
	find[string](p, `document.getElementById("preset").value = "high"`)
	p.do(chromedp.SetUploadFiles("#files", videos[1:]))
	if r := p.sees(concert, "Ready · 0:07 · 28"); !slices.Equal(r.Buttons, []string{"Download", "Delete"}) {
		t.Errorf("buttons %q", r.Buttons)
	}
	p.sees(silent, "The video has no sound track")

	// The MP3 comes under its own name, with the bytes that curl gets.
	token := string(bytes.TrimSpace(s.get(t, "POST", "/login", email, password, "")))
	for video, mp3 := range map[string]string{holiday: "Holiday in Norway.mp3", concert: strings.TrimSuffix(concert, ".webm") + ".mp3"} {
		p.press(video, "Download")
		if got, want := p.downloaded(mp3), s.get(t, "GET", audioOf(t, s, token, mp3), "", "", token); !bytes.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s has %d bytes, want %d", mp3, len(got), len(want))
		}
	}

	// While a conversion runs, it can be watched, and cancelled.
	p.do(chromedp.SetUploadFiles("#files", []string{long}))
	p.sees(lecture, "Converting: ")
	until(t, "there is some progress to see", func() bool { return p.row(lecture).Percent >= 15 })
	picture(p, *screenshot)
	if r := p.row(lecture); r.Percent >= 0 {
		p.press(lecture, "Cancel")
		p.sees(lecture, "Cancelled")
	}

	// Nothing changes any more, so nothing is asked any more.
	until(t, "four seconds pass without a request", func() bool {
		asked := find[int](p, `performance.getEntriesByType("resource").length`)
		p.do(chromedp.Sleep(4 * time.Second))
		return find[int](p, `performance.getEntriesByType("resource").length`) == asked
	})

	p.press(silent, "Remove")
	p.press(concert, "Delete") // and yes, for good
	until(t, "both rows are gone", func() bool { return len(p.rows()) == 2 })

	// The list is the same after a reload, in the same tab.
	p.do(chromedp.Reload(), chromedp.WaitVisible("#drop"))
	p.sees(holiday, "Ready")
	p.sees(lecture, "")

	p.do(chromedp.Click("#logout"), chromedp.WaitVisible("#login"))
	if n := find[int](p, `document.querySelectorAll("#list li").length + sessionStorage.length`); n != 0 {
		t.Errorf("%d things left after the logout", n)
	}
	p.noErrors()
}

// audioOf returns where the MP3 of that name is.
func audioOf(t *testing.T, s service, token, mp3 string) string {
	t.Helper()
	var list struct {
		Jobs []struct {
			Audio struct{ Name, URL string }
		}
	}
	if err := json.Unmarshal(s.get(t, "GET", "/jobs", "", "", token), &list); err != nil {
		t.Fatal(err)
	}
	for _, j := range list.Jobs {
		if j.Audio.Name == mp3 {
			return j.Audio.URL
		}
	}
	t.Fatalf("no job has an MP3 %q", mp3)
	return ""
}

// TestRefusedUploads: each is explained, and a file's name is never markup.
func TestRefusedUploads(t *testing.T) {
	s := start(t)
	p := openBrowser(t)
	login(p, s)
	dir := t.TempDir()
	const markup = "<img src=x onerror=document.title='hurt'>.mp4"
	for name, content := range map[string]string{markup: "some text", "nothing.mp4": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	huge := filepath.Join(dir, "huge.mp4")
	if err := os.WriteFile(huge, []byte("\x00\x00\x00\x18ftypmp42"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, maxUpload+200_000_000); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.SetUploadFiles("#files", []string{filepath.Join(dir, markup), filepath.Join(dir, "nothing.mp4"), huge}))
	p.sees(markup, "That is not a video.")
	p.sees("nothing.mp4", "The file is empty.")
	r := p.sees("huge.mp4", "The file is larger than this service accepts. The limit is 400 MB, or 400000000 bytes. This file has 600 MB.")
	if !slices.Equal(r.Buttons, []string{"Try again", "Remove"}) {
		t.Errorf("buttons %q", r.Buttons)
	}
	if n := find[int](p, `document.querySelectorAll("#list img").length`); n != 0 {
		t.Error("a file's name became markup")
	}
	p.press("nothing.mp4", "Remove")
	until(t, "the row is gone", func() bool { return len(p.rows()) == 2 })

	// What is dropped on the page is as good as what is chosen.
	find[bool](p, `(() => {
		const dropped = new DataTransfer();
		dropped.items.add(new File(["some text"], "dropped.mp4"));
		return document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
	})()`)
	p.sees("dropped.mp4", "That is not a video. The file is text/plain")
	p.noErrors()
}

// TestSessionEnds: whoever comes back with a token that is no good any more is
// asked to log in, and told why.
func TestSessionEnds(t *testing.T) {
	s := start(t)
	p := openBrowser(t)
	login(p, s)
	find[string](p, `sessionStorage.token = sessionStorage.token.slice(0, -3) + "xyz"`)
	p.do(chromedp.Reload(), chromedp.WaitVisible("#login"))
	if got := p.notice(); got != "The token is not valid here. Log in again." {
		t.Errorf("notice %q", got)
	}
	if find[bool](p, `document.getElementById("work").checkVisibility()`) {
		t.Error("the list is still there")
	}
	p.noErrors()
}

// TestLayout: nothing sticks out on a small telephone, light or dark, and
// everything that takes input has a name.
func TestLayout(t *testing.T) {
	s := start(t)
	p := openBrowser(t)
	dir := t.TempDir()
	for _, dark := range []string{"light", "dark"} {
		if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: dark}},
		}); err != nil {
			t.Fatal(err)
		}
		p.do(chromedp.EmulateViewport(320, 680), chromedp.Navigate(s.url), chromedp.WaitVisible("#email"))
		fits(p, dark+" login")
		background := find[string](p, `getComputedStyle(document.body).backgroundColor`)
		if isDark := strings.HasPrefix(background, "rgb(20,"); isDark != (dark == "dark") {
			t.Errorf("%s: background %s", dark, background)
		}
		login(p, s)
		name := strings.Repeat("long", 50) + ".mp4"
		if err := os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.do(chromedp.SetUploadFiles("#files", []string{filepath.Join(dir, name)}))
		p.sees(name, "That is not a video.")
		fits(p, dark+" list")
		picture(p, ifSet(*screenshot, "."+dark+".png"))
		p.do(chromedp.Click("#logout"), chromedp.WaitVisible("#login"))
	}
	p.noErrors()
}

func ifSet(path, suffix string) string {
	if path == "" {
		return ""
	}
	return path + suffix
}

func fits(p *person, what string) {
	p.t.Helper()
	if wide := find[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		p.t.Errorf("%s: %d pixels stick out", what, wide)
	}
	if nameless := find[[]string](p, `[...document.querySelectorAll("input, button")]
		.filter((e) => !e.labels?.length && !e.innerText.trim() && !e.ariaLabel && e.checkVisibility()).map((e) => e.outerHTML)`); len(nameless) > 0 {
		p.t.Errorf("%s: without a name: %q", what, nameless)
	}
}

func login(p *person, s service) {
	p.t.Helper()
	p.do(chromedp.Navigate(s.url), chromedp.WaitVisible("#email"),
		chromedp.SendKeys("#email", "somebody@example.com"),
		chromedp.SendKeys("#password", "something long"+kb.Enter),
		chromedp.WaitVisible("#drop"))
}

func picture(p *person, path string) {
	p.t.Helper()
	if path == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
