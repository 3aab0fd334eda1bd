// Command mongosh is a substitute for MongoDB's shell in the image of FerretDB. It runs
// no script. It does what the scripts of databases/010-mongodb.yaml do, as far as
// FerretDB can: it creates a user for each file in /users, with the password in the file,
// or changes the password. FerretDB has no replica sets, and its users have no roles:
// each may do everything.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mongosh substitute:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(server).SetAuth(options.Credential{
		AuthSource: "admin",
		Username:   os.Getenv("MONGO_INITDB_ROOT_USERNAME"),
		Password:   os.Getenv("MONGO_INITDB_ROOT_PASSWORD"),
	}))
	if err != nil {
		return err
	}
	defer client.Disconnect(ctx)
	if err := client.Ping(ctx, nil); err != nil {
		return err
	}
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
		if err := setUser(ctx, client.Database("admin"), filepath.Base(file), strings.TrimSpace(string(password))); err != nil {
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
