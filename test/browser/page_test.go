package browser

import (
	"bytes"
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

	"mp3converter/shared/client"
	"mp3converter/test/samples"
)

var screenshot = flag.String("screenshot", "", "write a screenshot of the page to this file")

const (
	holiday = "Holiday in Norway.mp4"
	concert = "Söhne & Töchter – “live”.webm"
	silent  = "Silent film.mp4"
	lecture = "Lecture 12.mkv"
)

// TestPage tests one visit, from registration to logout.
func TestPage(t *testing.T) {
	c := start(t)
	v := openBrowser(t)
	v.do(chromedp.EmulateViewport(880, 660, chromedp.EmulateScale(1.5)))
	dir := t.TempDir()
	videos := []string{
		makeVideo(t, dir, holiday, samples.Spec{Seconds: 20}),
		makeVideo(t, dir, concert, samples.Spec{Seconds: 7, Video: "libvpx -deadline realtime", Audio: "libopus", Rate: 48000}),
		makeVideo(t, dir, silent, samples.Spec{Seconds: 2, Audio: "none"}),
	}
	long := makeVideo(t, dir, lecture, samples.Spec{Seconds: 1200, Rate: 48000, Video: "none", Audio: "pcm_s16le"})

	const email, password = "anna@example.com", "pässword of anna"
	v.do(chromedp.Navigate(c.BaseURL), chromedp.WaitVisible("#email"))
	if got := evaluate[string](v, `document.activeElement.id`); got != "email" && got != "" {
		t.Errorf("the focus is on %q", got)
	}

	// Enter submits the form. A failed login is explained. Registering logs in.
	v.do(chromedp.SendKeys("#email", email), chromedp.SendKeys("#password", password+kb.Enter))
	waitUntil(t, "the login is refused", func() bool { return strings.Contains(v.notice(), "password is wrong") })
	v.do(chromedp.Click(`button[value="register"]`), chromedp.WaitVisible("#drop"))
	if got := evaluate[string](v, `document.getElementById("who").innerText`); got != email {
		t.Errorf("logged in as %q", got)
	}
	if got := v.notice(); got != "" {
		t.Errorf("notice %q", got)
	}

	// Several uploads at once; the list shows the result of each.
	v.do(chromedp.SetUploadFiles("#files", videos[:1]))
	v.waitForState(holiday, "Ready · 0:20 · 48") // kB: 192 kbit/s
	evaluate[string](v, `document.getElementById("preset").value = "high"`)
	v.do(chromedp.SetUploadFiles("#files", videos[1:]))
	if r := v.waitForState(concert, "Ready · 0:07 · 28"); !slices.Equal(r.Buttons, []string{"Download", "Delete"}) {
		t.Errorf("buttons %q", r.Buttons)
	}
	v.waitForState(silent, "The video has no sound track")

	// The MP3 is downloaded under its own name and equals that of the API.
	if err := c.Login(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	for video, mp3Name := range map[string]string{holiday: "Holiday in Norway.mp3", concert: strings.TrimSuffix(concert, ".webm") + ".mp3"} {
		v.click(video, "Download")
		if got, want := v.waitForDownload(mp3Name), downloadMP3(t, c, mp3Name); !bytes.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s has %d bytes, want %d", mp3Name, len(got), len(want))
		}
	}

	// A running conversion shows its progress and can be cancelled.
	v.do(chromedp.SetUploadFiles("#files", []string{long}))
	v.waitForState(lecture, "Converting: ")
	waitUntil(t, "the progress is 15 % or more", func() bool { return v.row(lecture).Percent >= 15 })
	takeScreenshot(v, *screenshot)
	if r := v.row(lecture); r.Percent >= 0 {
		v.click(lecture, "Cancel")
		v.waitForState(lecture, "Cancelled")
	}

	// Once all jobs have ended, the page stops polling.
	waitUntil(t, "four seconds pass without a request", func() bool {
		before := evaluate[int](v, `performance.getEntriesByType("resource").length`)
		v.do(chromedp.Sleep(4 * time.Second))
		return evaluate[int](v, `performance.getEntriesByType("resource").length`) == before
	})

	v.click(silent, "Remove")
	v.click(concert, "Delete") // the confirmation is accepted
	waitUntil(t, "both rows are gone", func() bool { return len(v.rows()) == 2 })

	// The list is still there after a reload.
	v.do(chromedp.Reload(), chromedp.WaitVisible("#drop"))
	v.waitForState(holiday, "Ready")
	v.waitForState(lecture, "")

	v.do(chromedp.Click("#logout"), chromedp.WaitVisible("#login"))
	if n := evaluate[int](v, `document.querySelectorAll("#list li").length + sessionStorage.length`); n != 0 {
		t.Errorf("%d rows and stored items after the logout", n)
	}
	v.checkNoErrors()
}

// downloadMP3 downloads an MP3 with the API.
func downloadMP3(t *testing.T, c *client.Client, name string) []byte {
	t.Helper()
	jobs, err := c.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Audio.Name == name {
			var mp3 bytes.Buffer
			if err := c.Download(t.Context(), j, &mp3); err != nil {
				t.Fatal(err)
			}
			return mp3.Bytes()
		}
	}
	t.Fatalf("no job has an MP3 named %q", name)
	return nil
}

// TestRefusedUploads checks that each refusal is explained, and that file names are
// never parsed as HTML.
func TestRefusedUploads(t *testing.T) {
	c := start(t)
	v := openBrowser(t)
	login(v, c)
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
	v.do(chromedp.SetUploadFiles("#files", []string{filepath.Join(dir, markup), filepath.Join(dir, "nothing.mp4"), huge}))
	v.waitForState(markup, "That is not a video.")
	v.waitForState("nothing.mp4", "The file is empty.")
	r := v.waitForState("huge.mp4", "The file is larger than this service accepts. The limit is 400 MB, or 400000000 bytes. This file is 600 MB.")
	if !slices.Equal(r.Buttons, []string{"Try again", "Remove"}) {
		t.Errorf("buttons %q", r.Buttons)
	}
	if n := evaluate[int](v, `document.querySelectorAll("#list img").length`); n != 0 {
		t.Error("a file name was parsed as HTML")
	}
	v.click("nothing.mp4", "Remove")
	waitUntil(t, "the row is gone", func() bool { return len(v.rows()) == 2 })

	// Dropped files are uploaded like chosen ones.
	evaluate[bool](v, `(() => {
		const dropped = new DataTransfer();
		dropped.items.add(new File(["some text"], "dropped.mp4"));
		return document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
	})()`)
	v.waitForState("dropped.mp4", "That is not a video. The file is text/plain")
	v.checkNoErrors()
}

// TestRegistrationCode checks that the page asks for the code when the service demands
// one.
func TestRegistrationCode(t *testing.T) {
	c := start(t, "REGISTRATION=code", "REGISTRATION_CODE=a long enough code")
	v := openBrowser(t)
	v.do(chromedp.Navigate(c.BaseURL), chromedp.WaitVisible("#email"))
	if evaluate[bool](v, `document.getElementById("code").checkVisibility()`) {
		t.Error("the field of the code is visible before it is needed")
	}
	v.do(chromedp.SendKeys("#email", "bert@example.com"), chromedp.SendKeys("#password", "a long password"))
	v.do(chromedp.Click(`button[value="register"]`), chromedp.WaitVisible("#code"))
	if got := v.notice(); !strings.Contains(got, "needs the registration code") {
		t.Errorf("notice %q", got)
	}
	v.do(chromedp.SendKeys("#code", "a long enough code"), chromedp.Click(`button[value="register"]`), chromedp.WaitVisible("#drop"))
	v.checkNoErrors()
}

// TestSessionEnds checks that a visitor whose token is no longer valid sees the login
// form and the reason.
func TestSessionEnds(t *testing.T) {
	c := start(t)
	v := openBrowser(t)
	login(v, c)
	evaluate[string](v, `sessionStorage.token = sessionStorage.token.slice(0, -3) + "xyz"`)
	v.do(chromedp.Reload(), chromedp.WaitVisible("#login"))
	if got := v.notice(); got != "The token is invalid. Log in again." {
		t.Errorf("notice %q", got)
	}
	if evaluate[bool](v, `document.getElementById("work").checkVisibility()`) {
		t.Error("the list is still visible")
	}
	v.checkNoErrors()
}

// TestLayout checks that nothing overflows the screen of a small phone, in light and
// dark mode, and that every input and button has an accessible name.
func TestLayout(t *testing.T) {
	c := start(t)
	v := openBrowser(t)
	dir := t.TempDir()
	for _, dark := range []string{"light", "dark"} {
		if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: dark}},
		}); err != nil {
			t.Fatal(err)
		}
		v.do(chromedp.EmulateViewport(320, 680), chromedp.Navigate(c.BaseURL), chromedp.WaitVisible("#email"))
		checkFits(v, dark+" login")
		background := evaluate[string](v, `getComputedStyle(document.body).backgroundColor`)
		if isDark := strings.HasPrefix(background, "rgb(20,"); isDark != (dark == "dark") {
			t.Errorf("%s: background %s", dark, background)
		}
		login(v, c)
		name := strings.Repeat("long", 50) + ".mp4"
		if err := os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
		v.do(chromedp.SetUploadFiles("#files", []string{filepath.Join(dir, name)}))
		v.waitForState(name, "That is not a video.")
		checkFits(v, dark+" list")
		takeScreenshot(v, appendSuffix(*screenshot, "."+dark+".png"))
		v.do(chromedp.Click("#logout"), chromedp.WaitVisible("#login"))
	}
	v.checkNoErrors()
}

func appendSuffix(path, suffix string) string {
	if path == "" {
		return ""
	}
	return path + suffix
}

func checkFits(v *visitor, what string) {
	v.t.Helper()
	if wide := evaluate[int](v, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		v.t.Errorf("%s: overflows by %d pixels", what, wide)
	}
	if nameless := evaluate[[]string](v, `[...document.querySelectorAll("input, button")]
		.filter((e) => !e.labels?.length && !e.innerText.trim() && !e.ariaLabel && e.checkVisibility()).map((e) => e.outerHTML)`); len(nameless) > 0 {
		v.t.Errorf("%s: without an accessible name: %q", what, nameless)
	}
}

func login(v *visitor, c *client.Client) {
	v.t.Helper()
	v.do(chromedp.Navigate(c.BaseURL), chromedp.WaitVisible("#email"),
		chromedp.SendKeys("#email", "somebody@example.com"),
		chromedp.SendKeys("#password", "something long"+kb.Enter),
		chromedp.WaitVisible("#drop"))
}

func takeScreenshot(v *visitor, path string) {
	v.t.Helper()
	if path == "" {
		return
	}
	png, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		v.t.Fatal(err)
	}
}
