package mongotest

import (
	"encoding/json"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestRecorder checks that every command of a client is recorded, with its collection.
func TestRecorder(t *testing.T) {
	r := Record(t, URI(t))
	database := Database(t)
	c := Client(t, r.URI).Database(database).Collection("c")
	var before []string
	r.Before(func(c Command) { before = append(before, c.Name) }) // one connection at a time
	for n := range 3 {
		if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: n}}); err != nil {
			t.Fatal(err)
		}
	}
	cursor, err := c.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1))
	if err != nil {
		t.Fatal(err)
	}
	var all []bson.D
	if err := cursor.All(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}}
	if _, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: 1}}, set); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: 9}}, set, options.UpdateOne().SetUpsert(true)); err != nil {
		t.Fatal(err)
	}
	r.Before(nil)
	seen := r.Commands(t)
	for _, name := range []string{"insert", "find", "getMore", "update", "upsert"} {
		if !seen[Command{name, database, "c"}] {
			t.Errorf("%s on %s.c is not among %v", name, database, seen)
		}
		if !slices.Contains(before, name) {
			t.Errorf("Before was not called for %s", name)
		}
	}
}

func TestCheck(t *testing.T) {
	var role Role
	const text = `[{"resource": {"db": "d", "collection": "c"}, "actions": ["find", "insert"]}]`
	if err := json.Unmarshal([]byte(text), &role); err != nil {
		t.Fatal(err)
	}
	both := map[Command]bool{{"getMore", "d", "c"}: true, {"insert", "d", "c"}: true, {"ping", "admin", ""}: true}
	with := func(c Command) map[Command]bool {
		commands := map[Command]bool{c: true}
		for c := range both {
			commands[c] = true
		}
		return commands
	}
	for name, c := range map[string]struct {
		commands map[Command]bool
		want     []string
	}{
		"exact":            {both, nil},
		"other action":     {with(Command{"delete", "d", "c"}), []string{"not allowed: delete on d.c, which requires the action remove"}},
		"other collection": {with(Command{"find", "d", "e"}), []string{"not allowed: find on d.e, which requires the action find"}},
		"other database":   {with(Command{"find", "e", "c"}), []string{"not allowed: find on e.c, which requires the action find"}},
		"half an upsert":   {with(Command{"upsert", "d", "c"}), []string{"not allowed: upsert on d.c, which requires the action update"}},
		"unknown":          {with(Command{"dropDatabase", "d", ""}), []string{"dropDatabase on d.: this test does not know the action that it requires"}},
		"unused":           {map[Command]bool{{"find", "d", "c"}: true}, []string{"allowed but not needed: insert on d.c"}},
	} {
		var got []string
		for _, err := range role.Check(c.commands) {
			got = append(got, err.Error())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
