package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
)

type serverOptions struct {
	listen  string
	noToken bool
	cert    string
	key     string
}

// serverTokenVariable holds the token of mlx server, where somebody else keeps it.
const serverTokenVariable = "MLX_SERVER_TOKEN"

func newServer(a *app) *cobra.Command {
	var o serverOptions
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Serve MLflow clients from this repository",
		Long: `Answers programs that track with MLflow, and prints how they find it. What they log becomes runs, models and versions here, as
that of mlx run does; a command under mlx run needs no server. It ends when it is interrupted, and what it took is recorded then.

Clients show a token: that of ` + serverTokenVariable + `, or one that this clone keeps in a file which only you can read. Other machines are served
only where --listen says so, with a certificate. Any number of servers and runs may work on one repository at once.`,
		Example: `mlx server
mlx server --listen 127.0.0.1:5000 --no-token
mlx server --listen 0.0.0.0:5000 --tls-cert cert.pem --tls-key key.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serverRun(cmd.Context(), a, o) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "`ADDRESS` and port; port 0 is any free one")
	flags.BoolVar(&o.noToken, "no-token", false, "serve every user of this machine; only on the loopback")
	flags.StringVar(&o.cert, "tls-cert", "", "PEM `FILE` of the certificate, for other machines")
	flags.StringVar(&o.key, "tls-key", "", "PEM `FILE` of its key")
	return cmd
}

// serverView is server/v1.
type serverView struct {
	Kind      string  `json:"kind"`
	URL       string  `json:"url"`
	TokenFile *string `json:"token_file"` // null: there is no token, or a variable holds it
	PID       int     `json:"pid"`
}

func serverRun(ctx context.Context, a *app, o serverOptions) error {
	eo, tokenFile, err := o.endpoint(a)
	if err != nil {
		return err
	}
	a.recoverRuns(ctx, eo.runner)
	e, err := a.openEndpoint(eo)
	if err != nil {
		return err
	}
	stayLean(ctx, e.calls.Load)
	v := serverView{Kind: "server/v1", URL: e.url, TokenFile: some(tokenFile), PID: os.Getpid()}
	if err := a.streams.Emit(v, func(t *cli.Text) { serverText(v, o, t) }); err != nil {
		return errors.Join(err, e.close(ctx, ""))
	}
	if err := a.streams.Flush(); err != nil { // whoever waits for the address reads it now
		return errors.Join(err, e.close(ctx, ""))
	}
	if a.streams.ErrTTY {
		a.streams.Note("serving MLflow clients until Ctrl-C")
	}
	select {
	case <-ctx.Done(): // asked to end: no failure
	case err = <-e.broken:
	}
	return errors.Join(err, e.close(context.WithoutCancel(ctx), ""))
}

func serverText(v serverView, o serverOptions, t *cli.Text) {
	t.Line(cli.Str("export MLFLOW_TRACKING_URI=" + v.URL))
	switch {
	case v.TokenFile != nil:
		t.Line(cli.Str("export MLFLOW_TRACKING_TOKEN=$(cat " + shellWord(*v.TokenFile) + ")"))
	case !o.noToken:
		t.Line(cli.Str("export MLFLOW_TRACKING_TOKEN=$" + serverTokenVariable))
	}
}

// endpoint is what the flags ask for. tokenFile is where the token lies, if it lies in a file.
func (o serverOptions) endpoint(a *app) (eo endpointOptions, tokenFile string, err error) {
	if err := o.check(); err != nil {
		return eo, "", err
	}
	r, err := a.repo()
	if err != nil {
		return eo, "", err
	}
	eo = endpointOptions{address: o.listen, tell: a.streams.Note}
	if eo.tls, eo.hosts, err = o.certificate(); err != nil {
		return eo, "", err
	}
	if host, _, err := net.SplitHostPort(o.listen); err == nil && host != "" {
		eo.hosts = append(eo.hosts, strings.ToLower(host))
	}
	eo.hosts = append(eo.hosts, strings.ToLower(a.host()))
	if eo.runner, err = a.runner(); err != nil {
		return eo, "", err
	}
	if !o.noToken {
		if eo.token = run.Variable(a.environ, serverTokenVariable); eo.token == "" {
			tokenFile = filepath.Join(trackingDir(r), "token")
			if eo.token, err = keptToken(tokenFile); err != nil {
				return eo, "", fault.New(fault.KindOf(err), "cannot keep the token: %w", err)
			}
		}
	}
	worktree, err := a.worktree()
	if err != nil {
		return eo, "", err
	}
	base := run.Body{Folder: ".", Worktree: worktree, Process: run.Self(a.host(), os.Getpid()), Machine: run.Here(a.host())}
	eo.base = func() (run.Body, error) { return base, nil }
	return eo, tokenFile, nil
}

// check refuses what would let others in.
func (o serverOptions) check() error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fault.New(fault.Usage, "cannot listen on %q: it is no ADDRESS:PORT", o.listen).Hint("mlx server --listen 127.0.0.1:5000")
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	switch {
	case o.noToken:
		return fault.New(fault.Usage, "cannot listen on %s without a token: other machines reach it", o.listen).Hint("mlx server --no-token   # on the loopback")
	case o.cert == "" || o.key == "":
		return fault.New(fault.Usage, "cannot listen on %s without a certificate: other machines reach it, and the token would travel in clear", o.listen).
			Hint("mlx server --listen %s --tls-cert cert.pem --tls-key key.pem", o.listen).
			Hint("ssh -L 5000:127.0.0.1:5000 HOST   # from another machine, to a server on the loopback")
	}
	return nil
}

// certificate reads the certificate, and the names that it is for.
func (o serverOptions) certificate() (*tls.Config, []string, error) {
	if o.cert == "" && o.key == "" {
		return nil, nil, nil
	}
	if o.cert == "" || o.key == "" {
		return nil, nil, fault.New(fault.Usage, "cannot serve with TLS: --tls-cert and --tls-key need each other")
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		kind := fault.Usage // whatever is wrong in the files
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			kind = fault.KindOf(err)
		}
		return nil, nil, fault.New(kind, "cannot serve with TLS: %w", err)
	}
	var hosts []string
	for _, name := range pair.Leaf.DNSNames {
		hosts = append(hosts, strings.ToLower(name))
	}
	for _, ip := range pair.Leaf.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, slices.Compact(hosts), nil
}

// maxToken bounds the file of a token.
const maxToken = 4 << 10

// keptToken reads the token of this clone, and makes it the first time: a server that is started again is known to its clients.
func keptToken(file string) (string, error) {
	info, err := os.Stat(file)
	switch {
	case err == nil && (!info.Mode().IsRegular() || info.Size() > maxToken):
		return "", fault.New(fault.Integrity, "%s is no file of a token", file).Hint("rm %s   # the next start makes a new one", shellWord(file))
	case err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return "", fault.New(fault.Denied, "others can read %s", file).Hint("chmod 600 %s", shellWord(file)).Hint("rm %s   # the next start makes a new one", shellWord(file))
	case err == nil:
		text, err := os.ReadFile(file)
		if token := strings.TrimSpace(string(text)); err != nil || len(token) >= minToken {
			return token, err
		}
		return "", fault.New(fault.Integrity, "the token in %s is too short", file).Hint("rm %s   # the next start makes a new one", shellWord(file))
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return makeToken(file)
}

// makeToken keeps a new token. Of two that start at once, one wins and both serve with it.
func makeToken(file string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return "", err
	}
	token := newToken()
	temp := file + "-" + token[:8]
	if err := os.WriteFile(temp, []byte(token+"\n"), 0o600); err != nil {
		return "", err
	}
	defer os.Remove(temp)
	err := os.Link(temp, file)
	if errors.Is(err, fs.ErrExist) {
		text, err := os.ReadFile(file)
		return strings.TrimSpace(string(text)), err
	}
	if err != nil {
		err = os.Rename(temp, file) // a file system without hard links
	}
	return token, err
}

// minToken is the fewest characters of a token that nobody guesses.
const minToken = 16
