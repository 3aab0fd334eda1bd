package login

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// dialect holds what differs between the statements of MySQL and SQLite.
type dialect struct {
	now          string // microseconds since 1970, the same within a statement
	insertIgnore string
	upsert       string // of id, age, threshold for the update, age
	deleteOld    string // of age, maximum number of rows
	isolation    sql.IsolationLevel

	// fill returns the statement that counts an attempt against all limits, and
	// changes no row if one is exhausted.
	fill func([]limit) (query string, args []any)
}

const (
	// UTC_TIMESTAMP has no ambiguous hour when daylight saving time ends.
	mysqlNow  = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
	sqliteNow = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
)

var mysqlDialect = dialect{
	now:          mysqlNow,
	insertIgnore: "INSERT IGNORE",
	upsert: "INSERT INTO throttle (id, expires_at) VALUES (?, " + mysqlNow + " + ?) " +
		"ON DUPLICATE KEY UPDATE expires_at = IF(expires_at < " + mysqlNow + " + ?, " + mysqlNow + " + ?, expires_at)",
	deleteOld: "DELETE FROM throttle WHERE expires_at < " + mysqlNow + " - ? ORDER BY expires_at LIMIT ?",
	isolation: sql.LevelReadCommitted,
	fill:      mysqlFill,
}

var sqliteDialect = dialect{
	now:          sqliteNow,
	insertIgnore: "INSERT OR IGNORE",
	upsert: "INSERT INTO throttle (id, expires_at) VALUES (?, " + sqliteNow + " + ?) " +
		"ON CONFLICT (id) DO UPDATE SET expires_at = iif(expires_at < " + sqliteNow + " + ?, " + sqliteNow + " + ?, expires_at)",
	deleteOld: "DELETE FROM throttle WHERE id IN (SELECT id FROM throttle WHERE expires_at < " + sqliteNow + " - ? ORDER BY expires_at LIMIT ?)",
	fill:      sqliteFill,
}

// mysqlFill joins the rows, so that they are locked in this order and changed together.
func mysqlFill(limits []limit) (string, []any) {
	var tables, sets, conditions []string
	var steps, thresholds []any
	for i, l := range limits {
		t := "t" + string(rune('0'+i))
		tables = append(tables, "throttle "+t)
		sets = append(sets, t+".expires_at = GREATEST("+t+".expires_at, "+mysqlNow+") + ?")
		steps = append(steps, l.interval.Microseconds())
		conditions = append(conditions, t+".id = ? AND "+t+".expires_at <= "+mysqlNow+" + ?")
		thresholds = append(thresholds, l.id[:], l.slack().Microseconds())
	}
	return "UPDATE " + strings.Join(tables, " STRAIGHT_JOIN ") + " SET " + strings.Join(sets, ", ") +
		" WHERE " + strings.Join(conditions, " AND "), append(steps, thresholds...)
}

// sqliteFill counts the rows that are not exhausted. SQLite has one writer at a time.
func sqliteFill(limits []limit) (string, []any) {
	var cases, conditions []string
	var steps, thresholds []any
	for _, l := range limits {
		cases = append(cases, "WHEN ? THEN ?")
		steps = append(steps, l.id[:], l.interval.Microseconds())
		conditions = append(conditions, "id = ? AND expires_at <= "+sqliteNow+" + ?")
		thresholds = append(thresholds, l.id[:], l.slack().Microseconds())
	}
	open := strings.Join(conditions, " OR ")
	query := "UPDATE throttle SET expires_at = max(expires_at, " + sqliteNow + ") + CASE id " + strings.Join(cases, " ") + " END" +
		" WHERE (" + open + ") AND (SELECT count(*) FROM throttle WHERE " + open + ") = ?"
	args := append(append(append(steps, thresholds...), thresholds...), len(limits))
	return query, args
}

// isDeadlock reports whether MySQL has rolled a statement back in favour of another
// one.
func isDeadlock(err error) bool {
	const erLockDeadlock = 1213
	var e *mysql.MySQLError
	return errors.As(err, &e) && e.Number == erLockDeadlock
}
