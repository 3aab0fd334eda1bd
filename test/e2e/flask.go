package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"mp3converter/test/gridfstools"
	"mp3converter/test/samples"
)

// flaskPage is the page whose commands are run.
const flaskPage = "docs/flask.md"

// flaskSections lists what the commands of each section print. A section with commands
// that is missing here is an error.
var flaskSections = map[string][]string{
	"Users":               {`"email":"flask-`, `(?m)^ey[\w-]+\.[\w-]+\.[\w-]+$`},
	"Upload and download": {`"state":"queued"`, `"state":"done"`},
	"mongofiles":          {`finished writing to mongofiles.mp3`},
	"The console":         {`(?m)^[A-Za-z0-9]{32}$`},
	"Mail":                {`secret/notification created`, `secret "notification" deleted`},
	"Pods and logs":       {`(?m)^converter +http`, `(?m)^rabbitmq-0 `, `Latest Ready Revision`, `"job accepted"`},
	"Scaling":             {`(?s)gateway patched.*condition met.*gateway patched`},
	"Changing a function": {`gateway configured`, `condition met`},
	removing:              {`service.serving.knative.dev "gateway" deleted`, `namespace "mp3converter" deleted`},
}

// removing is the section that removes the service with all data.
const removing = "Removing"

// runUninstall removes the service as the page describes, and checks that no volume is left.
func runUninstall(ctx context.Context, s *suite) error {
	commands, err := guideBlock(flaskPage, removing)
	if err != nil {
		return err
	}
	out, err := runShell(ctx, commands)
	if err != nil {
		return err
	}
	if err := checkPrinted(removing, out); err != nil {
		return err
	}
	volumes, err := s.cluster.kubectl(ctx, "get", "persistentvolumes", "-o", "jsonpath={.items[*].spec.claimRef.namespace}")
	if err != nil {
		return err
	}
	if strings.Contains(volumes, namespace) {
		return fmt.Errorf("a volume is left: %s", volumes)
	}
	return nil
}

// checkPrinted checks what the commands of a section printed.
func checkPrinted(heading, printed string) error {
	for _, want := range flaskSections[heading] {
		if !regexp.MustCompile(want).MatchString(printed) {
			return fmt.Errorf("%s: the commands under %q did not print %q: %.1000s", flaskPage, heading, want, printed)
		}
	}
	return nil
}

// runFlask runs the commands of the page, except those that remove the service, in one
// shell, because later commands use variables and files of earlier ones.
func runFlask(ctx context.Context, s *suite) error {
	sections, err := readSections(flaskPage)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "flask-")
	if err != nil {
		return err
	}
	if _, err := (samples.Spec{Name: "holiday.mp4", Seconds: 20}).Path(dir); err != nil {
		return err
	}
	var script strings.Builder
	script.WriteString(flaskPrologue)
	var headings []string
	for _, section := range sections {
		if section.heading == removing {
			continue
		}
		if flaskSections[section.heading] == nil {
			return fmt.Errorf("%s: no test expects anything of the commands under %q", flaskPage, section.heading)
		}
		headings = append(headings, section.heading)
		fmt.Fprintf(&script, "echo '== %s'\n%s", section.heading, strings.Join(section.blocks, ""))
	}
	mongofiles, err := gridfstools.Mongofiles()
	if err != nil {
		return err
	}
	server, stop, err := s.cluster.forwardMongoDB(ctx)
	if err != nil {
		return err
	}
	defer stop()
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CHECKOUT="+root, "MONGOFILES="+mongofiles, "MONGODB="+server.Address, "INGRESS="+s.user.ingress,
		"EMAIL=flask-"+s.user.email, "PASSWORD="+s.user.password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", flaskPage, err, out[max(0, len(out)-1000):])
	}
	for _, heading := range headings {
		_, printed, _ := strings.Cut(string(out), "== "+heading+"\n")
		printed, _, _ = strings.Cut(printed, "\n== ")
		if err := checkPrinted(heading, printed); err != nil {
			return err
		}
	}
	fmt.Printf("   sections: %s\n", strings.Join(headings, ", "))
	return nil
}

// flaskPrologue is what differs from the shell of a user: the names lead to the ingress
// although no hosts file has them, MongoDB is forwarded to another port, and files are
// written to a temporary directory.
const flaskPrologue = `
curl() { command curl -sS --fail-with-body --connect-to "::$INGRESS" "$@" && echo; }
kubectl() { (cd "$CHECKOUT" && command kubectl "$@"); }
ko() { (cd "$CHECKOUT" && command ko "$@"); }
mongofiles() { "$MONGOFILES" "${@/localhost:27017/$MONGODB}"; }
`
