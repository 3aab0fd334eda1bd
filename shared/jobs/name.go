package jobs

import (
	"path"
	"strings"
)

// Title returns the upload's name without its extension. It is the title
// of the MP3 if neither the options nor the video have one.
func (j *Job) Title() string {
	if t := strings.TrimSuffix(j.Name, path.Ext(j.Name)); t != "" {
		return t
	}
	return j.Name
}

// AudioName is the file name of the MP3.
func (j *Job) AudioName() string { return j.Title() + ".mp3" }
