package main

import (
	"fmt"
	"strings"
)

// welcome returns the text printed at startup: the address, the login and the
// commands for a first conversion.
func welcome(address string, l initialLogin) string {
	url := "http://" + strings.Replace(address, "127.0.0.1", "localhost", 1)
	return fmt.Sprintf(`
  mp3converter is ready at %[1]s

  log in as %[2]s
  (%[3]s)

  TOKEN=$(curl -s -X POST -u %[2]s %[1]s/login)
  ID=$(curl -s -F 'file=@video.mp4' -H "Authorization: Bearer $TOKEN" %[1]s/upload | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
  curl -OJ -H "Authorization: Bearer $TOKEN" "%[1]s/download?fid=$ID&wait=240"

`, url, l.argument, l.note)
}

// shellQuote quotes s as one word for a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
