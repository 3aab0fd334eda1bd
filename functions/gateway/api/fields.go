package api

import (
	"context"
	"errors"
	"maps"
	"net/url"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// notOptions are the fields of an upload that are not options of the conversion.
var notOptions = map[string]bool{"name": true, "options": true, "tag": true, notifyURLField: true}

// applyFields records in a job of j.Owner what the fields of an upload say: its options, its
// tag and the receiver of its message. The error is a problem.
func (g *Gateway) applyFields(ctx context.Context, fields url.Values, j *jobs.Job) error {
	options, err := parseOptions(fields)
	if err != nil {
		return err
	}
	tag := fields.Get("tag")
	if err := jobs.CheckTag(tag); err != nil {
		return problem.BadOption.WithDetail("%v.", err)
	}
	notifyURL, err := g.parseNotifyURL(ctx, fields, j.Owner)
	if err != nil {
		return err
	}
	j.Options, j.Tag, j.NotifyURL = options, tag, notifyURL
	return nil
}

// afterFile adds to an error of applyFields that it came too late to save the upload.
// What came before the file has been checked before.
func afterFile(err error) error {
	var e *problem.Error
	if !errors.As(err, &e) || e.Kind == problem.Unavailable {
		return err
	}
	return e.WithDetail("%s The option came after the file. Send options before the file or in the query: there, bad ones are refused before the upload.", e.Detail)
}

// parameters are the name and the fields of an upload, for its digest.
func parameters(name string, fields url.Values) url.Values {
	p := maps.Clone(fields)
	if p == nil {
		p = url.Values{}
	}
	p.Set("name", name)
	return p
}
