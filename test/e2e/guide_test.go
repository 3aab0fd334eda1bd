package main

import "testing"

// The steps find the commands that they run.
func TestGuideHasTheCommands(t *testing.T) {
	t.Chdir("../..")
	headings := []string{"MongoDB's key file", "A database's Secret is lost", "Removing"}
	for _, r := range rotations {
		headings = append(headings, r.heading)
	}
	for _, heading := range headings {
		if _, err := guideBlock(operationsPage, heading); err != nil {
			t.Error(err)
		}
	}
	if _, err := guideBlock(clusterPage, "Deploying"); err != nil {
		t.Error(err)
	}
}
