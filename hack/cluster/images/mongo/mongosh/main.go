// Command mongosh is a substitute for MongoDB's shell in the image of FerretDB. It
// connects to the server in the same container:
//
//	mongosh --quiet -u USER -p PASSWORD DATABASE --eval SCRIPT
//	mongosh --quiet -u USER -p PASSWORD DATABASE FILE…
//
// Scripts may call db.changeUserPassword and db.runCommand. Files are not run. Instead of
// what those of databases/010-mongodb.yaml do, it creates a user for each file in /users,
// with the password in the file, or changes the password. FerretDB has no replica sets,
// and its users have no roles: each may do everything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	server  = "mongodb://127.0.0.1:27017/?directConnection=true"
	users   = "/users"
	timeout = 15 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mongosh substitute:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("mongosh", flag.ContinueOnError)
	_ = flags.Bool("quiet", true, "")
	user, password := flags.String("u", "", ""), flags.String("p", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(server).SetAuth(options.Credential{
		AuthSource: "admin", Username: *user, Password: *password,
	}))
	if err != nil {
		return err
	}
	defer client.Disconnect(ctx)
	if err := client.Ping(ctx, nil); err != nil {
		return err
	}
	if flags.Arg(1) == "--eval" {
		return evaluate(ctx, client.Database(flags.Arg(0)), flags.Arg(2))
	}
	return setUsers(ctx, client.Database("admin"))
}

// evaluate runs a script with the object db.
func evaluate(ctx context.Context, database *mongo.Database, script string) error {
	js := goja.New()
	run := func(command any) (bson.M, error) {
		var reply bson.M
		err := database.RunCommand(ctx, command).Decode(&reply)
		return reply, err
	}
	err := js.Set("db", map[string]any{
		"runCommand": func(command map[string]any) (bson.M, error) { return run(command) },
		"changeUserPassword": func(name, password string) error {
			_, err := run(bson.D{{Key: "updateUser", Value: name}, {Key: "pwd", Value: password}})
			return err
		},
	})
	if err != nil {
		return err
	}
	result, err := js.RunString(script)
	if err == nil {
		fmt.Println(result)
	}
	return err
}

func setUsers(ctx context.Context, admin *mongo.Database) error {
	// Kubernetes keeps the files of a volume in hidden directories beside links to them.
	files, err := filepath.Glob(users + "/[^.]*")
	if err != nil {
		return err
	}
	for _, file := range files {
		password, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := setUser(ctx, admin, filepath.Base(file), strings.TrimSpace(string(password))); err != nil {
			return fmt.Errorf("user %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// setUser sets the password of a user and creates the user if necessary.
func setUser(ctx context.Context, admin *mongo.Database, name, password string) error {
	const userNotFound = 11
	command := func(verb string) error {
		return admin.RunCommand(ctx, bson.D{{Key: verb, Value: name}, {Key: "pwd", Value: password}, {Key: "roles", Value: bson.A{}}}).Err()
	}
	err := command("updateUser")
	var missing mongo.CommandError
	if errors.As(err, &missing) && missing.Code == userNotFound {
		return command("createUser")
	}
	return err
}
