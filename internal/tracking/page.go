package tracking

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
)

// pageToken names the place where the next page begins. Clients hand it back as it is.
func pageToken(offset int) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"offset": ` + strconv.Itoa(offset) + `}`))
}

// pageStart reads a token; none is the first page.
func pageStart(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return 0, invalid("Invalid page token, could not base64-decode")
	}
	var page struct {
		Offset whole `json:"offset"`
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return 0, invalid("Invalid page token, decoded value=%s", quoted(string(text)))
	}
	if page.Offset <= 0 || page.Offset > 1<<40 {
		return 0, invalid("Invalid page token, parsed value=%s", quoted(string(text)))
	}
	return int(page.Offset), nil
}

// paged cuts a page out of all, and returns the token of the next one: empty behind the last.
func paged[T any](all []T, token string, most int) ([]T, string, error) {
	start, err := pageStart(token)
	if err != nil {
		return nil, "", err
	}
	start = min(start, len(all))
	if most >= len(all)-start {
		return all[start:], "", nil
	}
	return all[start : start+most], pageToken(start + most), nil
}
