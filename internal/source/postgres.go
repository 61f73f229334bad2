package source

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mlx/internal/fault"
)

// postgres writes the rows of a query as CSV, read from one state of the database.
func (f *Fetcher) postgres(ctx context.Context, q Request) (Result, error) {
	query := trimQuery(q.Query)
	if query == "" {
		return Result{}, fault.New(fault.Usage, "a database needs a query").Hint("mlx import --query 'SELECT * FROM t' %s PATH.csv", q.Source.Shown)
	}
	if strings.EqualFold(filepath.Ext(q.Dest), ".parquet") {
		return Result{}, fault.New(fault.Usage, "a query is kept as CSV, not as parquet").Hint("mlx import --query SQL %s PATH.csv", q.Source.Shown)
	}
	config, err := pgx.ParseConfig(q.Source.given)
	if err != nil {
		return Result{}, fault.New(fault.Usage, "it is no address of a database").Hint("mlx import --query SQL postgres://USER@HOST/DB PATH.csv")
	}
	config.RuntimeParams["application_name"] = "mlx import"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Result{}, connectError(err, config.Password)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it was only read
	out, err := newPart(q.Dest, f.o.Progress)
	if err != nil {
		return Result{}, err
	}
	defer out.f.Close()
	res, err := copyQuery(ctx, conn, query, out)
	if err != nil {
		return Result{}, queryError(err, query, config.Password)
	}
	return f.finished(q, out, res)
}

// trimQuery drops what may stand behind the only statement.
func trimQuery(query string) string { return strings.TrimRight(query, "; \t\r\n") }

// copyQuery reads in a transaction that sees one state and may write nothing. Preparing the query first refuses more than
// one statement, which COPY could not tell from its own words, and gives errors their place in the query.
func copyQuery(ctx context.Context, conn *pgx.Conn, query string, out *part) (Result, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return Result{}, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it has written nothing
	described, err := tx.Prepare(ctx, "mlx_import", query)
	if err != nil {
		return Result{}, err
	}
	if len(described.Fields) == 0 {
		return Result{}, fault.New(fault.Usage, "the query returns no columns")
	}
	var version int
	if err := tx.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return Result{}, err
	}
	current := "SELECT txid_current_snapshot()::text"
	if version >= 130000 {
		current = "SELECT pg_current_snapshot()::text"
	}
	var res Result
	if err := tx.QueryRow(ctx, current).Scan(&res.Server); err != nil {
		return Result{}, err
	}
	// The line end keeps a comment at the end of the query from hiding the bracket.
	const before = "COPY ("
	tag, err := conn.PgConn().CopyTo(ctx, out, before+query+"\n) TO STDOUT WITH (FORMAT csv, HEADER)")
	var told *pgconn.PgError
	if errors.As(err, &told) {
		told.Position = max(0, told.Position-int32(len(before)))
	}
	if err != nil {
		return Result{}, err
	}
	rows := tag.RowsAffected()
	res.Rows = &rows
	return res, nil
}

// queryError tells what the server says, and where in the query.
func queryError(err error, query, password string) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if fault.KindOf(err) != fault.Internal {
			return err
		}
		return fault.New(fault.Unavailable, "%s", without(err.Error(), password))
	}
	kind := fault.Unavailable
	switch class := e.Code[:min(2, len(e.Code))]; class {
	case "42", "22", "26", "0A", "25":
		kind = fault.Usage
	case "28":
		kind = fault.Denied
	}
	if e.Code == "42501" {
		kind = fault.Denied
	}
	text := e.Message
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	text = without(text, password)
	if e.Position <= 0 {
		return fault.New(kind, "%s (SQLSTATE %s)", text, e.Code)
	}
	line, column, near := whereIn(query, int(e.Position))
	return fault.New(kind, "%s at line %d, column %d of the query, near %q (SQLSTATE %s)", text, line, column, near, e.Code)
}

// whereIn turns the server's position, which counts characters from 1, into line and column, and cuts out what stands there.
func whereIn(query string, position int) (line, column int, near string) {
	line, column = 1, 1
	rest := query
	for range position - 1 {
		r, size := utf8.DecodeRuneInString(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	near, _, _ = strings.Cut(rest, "\n")
	if runes := []rune(near); len(runes) > 24 {
		near = string(runes[:24])
	}
	return line, column, near
}

func connectError(err error, password string) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return queryError(e, "", password)
	}
	text := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		text = cause.Error() // the outer words repeat user and database
	}
	return fault.New(fault.Unavailable, "cannot connect: %s", without(strings.ReplaceAll(text, "\n", "; "), password))
}

// without takes a password out of a message that somebody else wrote.
func without(text, password string) string {
	if password == "" {
		return text
	}
	return strings.ReplaceAll(text, password, "xxxxx")
}
