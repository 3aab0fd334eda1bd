// Package gridfstools reads and writes GridFS as people do by hand: with mongofiles, and
// with the gridfs package of Python.
package gridfstools

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mp3converter/test/buildcache"
)

// Server is a MongoDB. It has no users if Username is empty.
type Server struct {
	Address  string // host:port
	Username string // in the database admin
	Password string
}

// Tool is a program that reads and writes objects of GridFS by their ID.
type Tool struct {
	Name    string
	command func(ctx context.Context, s Server, database, operation, id, path string) *exec.Cmd
}

// Mongofiles returns the path of mongofiles, which it builds if necessary.
func Mongofiles() (string, error) {
	return buildcache.Build("mongofiles", "test/gridfstools/mongofiles", "github.com/mongodb/mongo-tools/mongofiles/main")
}

// Tools returns mongofiles, which it builds if necessary, and Python.
func Tools() ([]Tool, error) {
	mongofiles, err := Mongofiles()
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command(python, "-c", "import gridfs").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("python3-gridfs is not installed (hack/deps.sh installs it): %w: %s", err, bytes.TrimSpace(out))
	}
	return []Tool{{"mongofiles", mongofilesCommand(mongofiles)}, {"python", pythonCommand}}, nil
}

// Put stores the file under the ID.
func (t Tool) Put(ctx context.Context, s Server, database, id, path string) error {
	return t.run(ctx, s, database, "put_id", id, path)
}

// Get writes the object to a file.
func (t Tool) Get(ctx context.Context, s Server, database, id, path string) error {
	return t.run(ctx, s, database, "get_id", id, path)
}

// Delete deletes the object.
func (t Tool) Delete(ctx context.Context, s Server, database, id string) error {
	return t.run(ctx, s, database, "delete_id", id, "")
}

func (t Tool) run(ctx context.Context, s Server, database, operation, id, path string) error {
	out, err := t.command(ctx, s, database, operation, id, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", t.Name, operation, err, bytes.TrimSpace(out))
	}
	return nil
}

func mongofilesCommand(program string) func(context.Context, Server, string, string, string, string) *exec.Cmd {
	return func(ctx context.Context, s Server, database, operation, id, path string) *exec.Cmd {
		args := []string{"--host=" + s.Address, "--db=" + database}
		if s.Username != "" {
			args = append(args, "--username="+s.Username, "--authenticationDatabase=admin", "--config=/dev/stdin")
		}
		switch operation {
		case "get_id":
			args = append(args, operation, "--local="+path)
		case "put_id":
			args = append(args, operation, "--local="+path, filepath.Base(path))
		default:
			args = append(args, operation)
		}
		cmd := exec.CommandContext(ctx, program, append(args, fmt.Sprintf(`{"$oid":"%s"}`, id))...)
		cmd.Stdin = strings.NewReader("password: " + s.Password + "\n")
		return cmd
	}
}

// python is that of the Debian package. The first one in PATH may be another.
const python = "/usr/bin/python3"

func pythonCommand(ctx context.Context, s Server, database, operation, id, path string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, python, "-c", script, s.Address, s.Username, database, operation, id, path)
	cmd.Env = append(os.Environ(), "PASSWORD="+s.Password)
	return cmd
}

const script = `
import os, sys, bson, gridfs, pymongo
address, username, database, operation, id, path = sys.argv[1:]
login = dict(username=username, password=os.environ["PASSWORD"], authSource="admin") if username else {}
client = pymongo.MongoClient(address, directConnection=True, serverSelectionTimeoutMS=20000, **login)
fs, id = gridfs.GridFS(client[database]), bson.ObjectId(id)
if operation == "put_id":
    with open(path, "rb") as file:
        fs.put(file, _id=id, filename=os.path.basename(path), chunkSize=100_000)
elif operation == "get_id":
    with open(path, "wb") as file:
        file.write(fs.get(id).read())
elif operation == "delete_id":
    fs.delete(id)
`
