package mongotest

import (
	"bufio"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestDatabaseIsUnique(t *testing.T) {
	client := Client(t, URI(t))
	var names [2]string
	t.Run("in use", func(t *testing.T) {
		for i := range names {
			names[i] = Database(t)
			if _, err := client.Database(names[i]).Collection("c").InsertOne(t.Context(), bson.D{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if names[0] == names[1] {
		t.Errorf("two databases have the name %s", names[0])
	}
	existing, err := client.ListDatabaseNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range existing {
		if name == names[0] || name == names[1] {
			t.Errorf("%s still exists after its test", name)
		}
	}
}

func TestServerKeepsItsDataWhenKilled(t *testing.T) {
	s := Start(t)
	c := Client(t, s.URI).Database("d").Collection("c")
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	uri := s.URI
	s.Kill(t)
	s.Restart(t)
	if s.URI != uri {
		t.Errorf("the address changed from %s to %s", uri, s.URI)
	}
	if n, err := c.CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
		t.Errorf("%d documents, %v; want 1", n, err)
	}
}

// TestStartAndBlock runs in a process of its own, which the test below kills.
func TestStartAndBlock(t *testing.T) {
	if os.Getenv("MONGOTEST_BLOCK") == "" {
		return
	}
	os.Stdout.WriteString(URI(t) + "\n")
	select {}
}

func TestServerExitsWithTestProcess(t *testing.T) {
	testProcess := exec.Command(os.Args[0], "-test.run=^TestStartAndBlock$")
	testProcess.Env = append(os.Environ(), "MONGOTEST_BLOCK=1", "MONGODB_URI=")
	out, err := testProcess.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := testProcess.Start(); err != nil {
		t.Fatal(err)
	}
	uri, err := bufio.NewReader(out).ReadString('\n')
	testProcess.Process.Kill()
	testProcess.Wait()
	if err != nil {
		t.Fatalf("the test process printed %q, %v", uri, err)
	}
	u, err := url.Parse(strings.TrimSpace(uri))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if !listening(u.Host) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a server still listens at %s after the test process was killed", u.Host)
		}
	}
}

func listening(host string) bool {
	conn, err := net.DialTimeout("tcp", host, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
