package api

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

func TestListFilters(t *testing.T) {
	s := startGateway(t, nil)
	var all []string
	add := func(name, tag string, state jobs.State) jobs.Job {
		j := s.jobIn(t, state)
		all = append(all, j.ID)
		return s.update(t, j.ID, func(j *jobs.Job) error { j.Name, j.Tag = name, tag; return nil })
	}
	add("Holiday 1.mp4", "a", jobs.Queued)
	add("holiday 2.mp4", "b", jobs.Converting)
	add("concert.mp4", "a", jobs.Done)
	add("Ünder.mp4", "", jobs.Failed)
	last := add("100% & more.mp4", "a b&c=+", jobs.Cancelled)
	created := last.CreatedAt.Add(time.Hour)
	s.update(t, last.ID, func(j *jobs.Job) error { j.CreatedAt = created; return nil })
	for query, want := range map[string][]int{
		"":                                  {4, 3, 2, 1, 0},
		"state=queued":                      {0},
		"state=done,failed":                 {3, 2},
		"state=done&state=failed,queued":    {3, 2, 0},
		"state=":                            {4, 3, 2, 1, 0},
		"tag=a":                             {2, 0},
		"tag=" + url.QueryEscape("a b&c=+"): {4},
		"tag=A":                             nil,
		"q=HOLIDAY":                         {1, 0},
		"q=" + url.QueryEscape("üNDER"):     {3},
		"q=" + url.QueryEscape("% &"):       {4},
		"tag=a&q=holiday":                   {0},
		"tag=a&q=holiday&state=done":        nil,
		"since=" + url.QueryEscape(created.Format(time.RFC3339Nano)):                          {4},
		"since=" + url.QueryEscape(created.In(time.FixedZone("", 3600)).Format(time.RFC3339)): {4},
		"since=" + url.QueryEscape(created.Add(time.Second).Format(time.RFC3339)):             nil,
		"since=2020-01-01T00:00:00Z&state=queued,converting,done,failed,cancelled&limit=3":    {4, 3, 2},
		"limit=3&state=queued,converting,done&before=" + all[2]:                               {1, 0},
		"limit=99999999999999999999":                                                          {4, 3, 2, 1, 0},
	} {
		res, b := s.do(t, "GET", "/jobs?"+query, nil)
		if res.StatusCode != 200 {
			t.Errorf("%s: %d %s", query, res.StatusCode, b)
			continue
		}
		var got []int
		for _, j := range decode[jobListResponse](t, b).Jobs {
			got = append(got, slices.Index(all, j.ID))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: jobs %v, want %v", query, got, want)
		}
	}
}

func TestListRejectsFilters(t *testing.T) {
	s := startGateway(t, nil)
	for _, query := range []string{
		"state=ready", "state=uploading", "state=queued,x", "state=Queued", "since=yesterday", "since=2026-01-31", "since=2026-01-31T12:00:00+01:00",
		"q=" + strings.Repeat("x", maxName+1),
	} {
		res, b := s.do(t, "GET", "/jobs?"+query, nil)
		checkProblem(t, res, b, problem.BadRequest)
	}
}

// The header Link leads through all pages and keeps the filters.
func TestListLinks(t *testing.T) {
	s := startGateway(t, nil)
	var want []string
	for range 5 {
		want = append([]string{s.mustUpload(t, "a b.mp4").ID}, want...)
		s.mustUpload(t, "other.mp4")
	}
	link := regexp.MustCompile(`^<(/jobs\?[^<>]*)>; rel="next"$`)
	var got []string
	for path := "/jobs?limit=2&q=" + url.QueryEscape("A B"); path != ""; {
		res, b := s.do(t, "GET", path, nil)
		page := decode[jobListResponse](t, b)
		for _, j := range page.Jobs {
			got = append(got, j.ID)
		}
		header := res.Header.Get("Link")
		if (header == "") != (page.Next == "") {
			t.Fatalf("Link %q, next %q", header, page.Next)
		}
		path = ""
		if header != "" {
			path = link.FindStringSubmatch(header)[1]
			if !strings.Contains(path, "before="+page.Next) {
				t.Errorf("Link %q, next %q", header, page.Next)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("jobs %v, want %v", got, want)
	}
}

// Limits are clamped to their maximum.
func TestLimitsAreClamped(t *testing.T) {
	s := startGateway(t, nil)
	for i := range maxPageSize + 1 {
		j := jobs.Job{ID: fmt.Sprintf("%024x", i), Owner: "anna", Name: "a.mp4", Video: jobs.File{ID: "v", Size: 1}}
		j.Enqueue(s.config.Policy, time.Now())
		if err := s.Jobs.Create(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[string]int{"199": 199, "200": 200, "201": 200, "500": 200, "4294967297": 200, "": pageSize} {
		_, b := s.do(t, "GET", "/jobs?limit="+limit, nil)
		if page := decode[jobListResponse](t, b); len(page.Jobs) != want || page.Next == "" {
			t.Errorf("limit=%s: %d jobs, next %q; want %d", limit, len(page.Jobs), page.Next, want)
		}
	}
}
