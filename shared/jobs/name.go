package jobs

import (
	"path"
	"strings"
)

// Title is the upload's name without its extension: the title of an MP3 whose
// video has none.
func (j *Job) Title() string {
	if t := strings.TrimSuffix(j.Name, path.Ext(j.Name)); t != "" {
		return t
	}
	return j.Name
}

// AudioName is the file name of the MP3.
func (j *Job) AudioName() string { return j.Title() + ".mp3" }
