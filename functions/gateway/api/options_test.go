package api

import (
	"net/url"
	"reflect"
	"testing"

	"mp3converter/shared/conversion"
)

func TestParseOptions(t *testing.T) {
	four := 4
	for query, want := range map[string]conversion.Options{
		"":                                {},
		"name=a.mp4":                      {},
		"bitrate=320":                     {Bitrate: 320},
		"quality=4":                       {Quality: &four},
		"preset=speech":                   {Bitrate: 64, Channels: 1, Normalize: true},
		"preset=speech&quality=4":         {Quality: &four, Channels: 1, Normalize: true},
		"preset=speech&normalize=false":   {Bitrate: 64, Channels: 1},
		"sample_rate=48000&channels=mono": {SampleRate: 48000, Channels: 1},
		"start=90&end=0:01:30.5":          {Start: 90, End: 90.5},
		"start=1:30":                      {Start: 90},
		"track=2":                         {Track: "2"},
		"track=DEU":                       {Track: "deu"},
		"title= A%0AB &artist=x":          {Title: "A B", Artist: "x"},
		"cover=keep":                      {},
		"cover=frame&chapters=drop":       {Cover: conversion.CoverFrame, NoChapters: true},
		`options={"bitrate":128,"normalize":true,"title":"T"}`:    {Bitrate: 128, Normalize: true, Title: "T"},
		`bitrate=320&title=A&options={"bitrate":128,"title":"T"}`: {Bitrate: 320, Title: "A"},
		"bitrate=": {},
	} {
		fields, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseOptions(fields)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", query, got, err, want)
		}
	}
}

func TestParseOptionsRejects(t *testing.T) {
	for _, query := range []string{
		"bitrate=193", "bitrate=-1", "bitrate=x", "quality=10", "quality=-1", "sample_rate=44101", "channels=6",
		"preset=best", "normalize=maybe", "start=-1", "start=1:60", "start=1:2:3:4", "start=NaN", "start=1e9", "start=99999999",
		"start=10&end=10", "start=10&end=5", "track=0", "track=x", "track=../etc", "cover=http://example.com/a.png",
		"chapters=maybe", "unknown=1", "options=[]", "options={", `options={"bitrate":[1]}`, `options={"unknown":1}`,
		"title=%ff",
	} {
		fields, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseOptions(fields); err == nil {
			t.Errorf("%s: accepted as %+v", query, got)
		}
	}
}
