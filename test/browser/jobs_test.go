package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"mp3converter/test/samples"
)

// TestWaitingJobs checks what a job shows while it waits, and that a click on Cancel does
// not erase an MP3 that became ready before the page noticed.
func TestWaitingJobs(t *testing.T) {
	c := start(t) // converts one video at a time
	if err := c.Login(t.Context(), "somebody@example.com", "something long"); err != nil {
		t.Fatal(err)
	}
	v := openBrowser(t)
	login(v, c)
	dir := t.TempDir()
	const lecture, first, second = "lecture.mkv", "first.mp4", "second.mp4"
	long := makeVideo(t, dir, lecture, samples.Spec{Seconds: 1200, Rate: 48000, Video: "none", Audio: "pcm_s16le"})
	short := []string{makeVideo(t, dir, first, samples.Spec{Seconds: 5}), makeVideo(t, dir, second, samples.Spec{Seconds: 5})}
	v.do(chromedp.SetUploadFiles("#files", []string{long}))
	v.waitForState(lecture, "Converting: ")
	v.do(chromedp.SetUploadFiles("#files", short[:1]))
	v.waitForState(first, "Waiting to be converted · next")
	v.do(chromedp.SetUploadFiles("#files", short[1:]))
	v.waitForState(second, "Waiting to be converted · 1 before it")
	v.click(second, "Cancel")
	v.waitForState(second, "Cancelled")

	// The page stops refreshing, and the job becomes ready.
	evaluate[bool](v, `refreshing = true`)
	v.click(lecture, "Cancel")
	waitUntil(t, "the first video is converted", func() bool {
		all, err := c.Jobs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range all {
			if j.Name == first {
				return j.State == "done"
			}
		}
		return false
	})
	if r := v.row(first); !strings.HasPrefix(r.State, "Waiting") {
		t.Fatalf("the page shows %q", r.State)
	}
	evaluate[bool](v, `(() => {
		const send = changeJob;
		changeJob = (...args) => send(...args).finally(() => { window.answered = true; });
		return true;
	})()`)
	v.click(first, "Cancel")
	waitUntil(t, "the cancellation is answered", func() bool { return evaluate[bool](v, `Boolean(window.answered)`) })
	evaluate[bool](v, `refreshing = false, refresh(), true`)
	v.waitForState(first, "Ready")
	v.waitForState(lecture, "Cancelled")
	if got := v.notice(); got != "" {
		t.Errorf("notice %q", got)
	}
	if got := downloadMP3(t, c, "first.mp3"); len(got) == 0 {
		t.Error("the MP3 is gone")
	}
	v.checkNoErrors()
}

// TestTryAgain checks that a job that failed by a limit can be tried again.
func TestTryAgain(t *testing.T) {
	c := start(t, "MAX_CONVERSION=1s")
	v := openBrowser(t)
	login(v, c)
	const lecture = "lecture.mkv"
	long := makeVideo(t, t.TempDir(), lecture, samples.Spec{Seconds: 1200, Rate: 48000, Video: "none", Audio: "pcm_s16le"})
	v.do(chromedp.SetUploadFiles("#files", []string{long}))
	const failure = "Converting the video took longer than this service allows"
	v.waitForState(lecture, failure)
	evaluate[bool](v, `(() => {
		window.states = [];
		new MutationObserver(() => states.push(document.querySelector("#list .state")?.innerText ?? "")).observe($("list"), { subtree: true, childList: true, characterData: true });
		return true;
	})()`)
	v.click(lecture, "Try again")
	waitUntil(t, "it waits or is converted", func() bool {
		return evaluate[bool](v, `states.some((s) => s.startsWith("Waiting") || s.startsWith("Converting"))`)
	})
	v.waitForState(lecture, failure)
	v.click(lecture, "Remove")
	waitUntil(t, "the row is gone", func() bool { return len(v.rows()) == 0 })
	v.checkNoErrors()
}
