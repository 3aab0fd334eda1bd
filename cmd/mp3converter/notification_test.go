package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mp3converter/test/mailtest"
	"mp3converter/test/samples"
)

// A user gets a mail whose link leads to the MP3 without a login. The test is in a file
// after that of TestMetrics, which counts the conversions of this process.
func TestMail(t *testing.T) {
	mails := mailtest.Start(t, mailtest.Config{})
	url := startService(t, "SMTP_HOST", mails.Host, "SMTP_PORT", strconv.Itoa(mails.Port), "SMTP_TLS", "none",
		"MAIL_FROM", "MP3 <mp3@example.com>", "MAIL_TRUSTED", "example.com", "PUBLIC_URL", "http://mp3.example.com")
	path, err := samples.Spec{Name: "a.mp4", Seconds: 1}.Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j := upload(t, register(t, url, "user@example.com"), video)
	for deadline := time.Now().Add(2 * time.Minute); len(mails.About(t, j.ID)) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no mail")
		}
	}
	link := regexp.MustCompile(`http://mp3\.example\.com(/links/\S+)`).FindStringSubmatch(mails.About(t, j.ID)[0].Text)
	if link == nil {
		t.Fatal("the mail has no link")
	}
	resp, err := http.Get(url + link[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(body), "ID3") {
		t.Errorf("the link in the mail: %s, %d bytes, %v; want an MP3", resp.Status, len(body), err)
	}
}
