package sqlite

import (
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

const (
	maxTables  = 10_000
	maxColumns = 2000
)

// Table is a table of a database.
type Table struct {
	db      *DB
	name    string
	root    uint32
	columns []column
	index   map[string]int
	problem string // why its rows cannot be read
}

type column struct {
	name      string
	isRowID   bool  // it is another name of the row id
	otherwise Value // in rows that are older than the column
}

// Table returns the table of a name, nil where there is none. It is an error where it is of a form that is not read.
func (db *DB) Table(name string) (*Table, error) {
	t := db.tables[name]
	if t != nil && t.problem != "" {
		return nil, fault.New(fault.Usage, "cannot read table %s: %s", name, t.problem)
	}
	return t, nil
}

// Column returns the place of a column, for Row.At. It is an error where the table has none of that name.
func (t *Table) Column(name string) (int, error) {
	i, ok := t.index[name]
	if !ok {
		return 0, fault.New(fault.Usage, "table %s has no column %s", t.name, name)
	}
	return i, nil
}

// schema reads which tables there are, from the table on the first page.
func (db *DB) schema() error {
	db.tables = make(map[string]*Table)
	master := &Table{db: db, name: "sqlite_schema", root: 1}
	master.named("type", "name", "tbl_name", "rootpage", "sql")
	for row, err := range master.All() {
		if err != nil {
			return err
		}
		if row.Get("type").Text() != "table" {
			continue
		}
		root, ok := row.Get("rootpage").Int()
		if !ok || root < 0 || root > int64(db.pages) {
			return damaged("table %.80q begins at no page", row.Get("name").Text())
		}
		t := &Table{db: db, name: row.Get("name").Text(), root: uint32(root)}
		t.parse(row.Get("sql").Text())
		if db.tables[t.name] = t; len(db.tables) > maxTables {
			return damaged("more than %d tables", maxTables)
		}
	}
	return nil
}

func (t *Table) named(names ...string) {
	t.index = make(map[string]int, len(names))
	for i, name := range names {
		t.columns = append(t.columns, column{name: name})
		t.index[name] = i
	}
}

// parse reads the columns from the words that made the table.
func (t *Table) parse(sql string) {
	t.index = make(map[string]int)
	all := tokens(sql)
	open := slices.IndexFunc(all, func(k token) bool { return k.is("(") })
	if open < 0 {
		t.problem = "it is virtual"
		return
	}
	items, rest := split(all[open+1:])
	for _, k := range rest {
		if k.is("WITHOUT") {
			t.problem = "it has no row ids"
		}
	}
	key := ""
	for _, item := range items {
		switch {
		case len(item) == 0:
		case item[0].any("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"):
			if name := onlyKey(item); name != "" {
				key = name
			}
		default:
			t.column(item)
		}
	}
	if len(t.columns) > maxColumns {
		t.problem = "it has too many columns"
	}
	if i, ok := t.index[key]; ok && t.columns[i].otherwise.kind == null && slices.ContainsFunc(items, func(item []token) bool {
		return len(item) > 1 && item[0].text == key && item[1].is("INTEGER")
	}) {
		t.columns[i].isRowID = true
	}
}

func (t *Table) column(item []token) {
	c := column{name: item[0].text}
	for i, k := range item[1:] {
		rest := item[i+2:]
		switch {
		case k.any("GENERATED", "AS"):
			t.problem = "it has columns that are computed"
		case k.is("PRIMARY") && item[1].is("INTEGER"):
			c.isRowID = !slices.ContainsFunc(rest, func(k token) bool { return k.is("DESC") })
		case k.is("DEFAULT") && len(rest) > 0:
			c.otherwise = literal(rest)
		}
	}
	t.index[c.name] = len(t.columns)
	t.columns = append(t.columns, c)
}

// literal reads the value behind DEFAULT: what is computed counts as none.
func literal(rest []token) Value {
	if rest[0].is("(") && len(rest) > 1 {
		rest = rest[1:]
	}
	word := rest[0].text
	if rest[0].is("-") && len(rest) > 1 {
		word += rest[1].text
	}
	if rest[0].quoted {
		return Value{kind: text, bytes: []byte(word)}
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return Value{kind: integer, number: n}
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil {
		return Value{kind: real, float: f}
	}
	switch strings.ToUpper(word) {
	case "TRUE":
		return Value{kind: integer, number: 1}
	case "FALSE":
		return Value{kind: integer}
	}
	return Value{}
}

// onlyKey is the column of a constraint PRIMARY KEY (column), where it is of one column.
func onlyKey(item []token) string {
	at := slices.IndexFunc(item, func(k token) bool { return k.is("PRIMARY") })
	if at < 0 || len(item) < at+5 || !item[at+1].is("KEY") || !item[at+2].is("(") || !item[at+4].is(")") {
		return ""
	}
	return item[at+3].text
}
