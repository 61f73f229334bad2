package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// callMain is a client of MLflow for scripts: call [-H 'NAME: VALUE'] [-host HOST] [-token TOKEN] [-ca FILE] [-get a.b] METHOD PATH [BODY].
// It prints status and answer, or the field that -get names, and fails if the answer is an error. @FILE is a body in a file.
func callMain() {
	var headers []string
	flag.Func("H", "header", func(s string) error { headers = append(headers, s); return nil })
	host := flag.String("host", "", "value of the header Host")
	token := flag.String("token", os.Getenv("MLFLOW_TRACKING_TOKEN"), "token")
	ca := flag.String("ca", "", "certificate to trust")
	get := flag.String("get", "", "field of the answer")
	flag.Parse()
	path := flag.Arg(1)
	if !strings.HasPrefix(path, "/") {
		path = "/api/2.0/mlflow/" + path
	}
	body := []byte(flag.Arg(2))
	if file, ok := strings.CutPrefix(flag.Arg(2), "@"); ok {
		var err error
		if body, err = os.ReadFile(file); err != nil {
			die(err)
		}
	}
	req, err := http.NewRequest(flag.Arg(0), os.Getenv("MLFLOW_TRACKING_URI")+path, bytes.NewReader(body))
	if err != nil {
		die(err)
	}
	req.Header.Set("Authorization", "Bearer "+*token)
	if *host != "" {
		req.Host = *host
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	client := &http.Client{}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			die(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	}
	answer, err := client.Do(req)
	if err != nil {
		die(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		die(err)
	}
	if *get == "" || answer.StatusCode >= 400 {
		fmt.Println(answer.StatusCode, string(text))
	} else {
		fmt.Println(field(text, *get))
	}
	if answer.StatusCode >= 400 {
		os.Exit(1)
	}
}

func die(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}

// field is what stands at a path such as run.info.run_id or runs.0.data in a JSON text.
func field(text []byte, path string) any {
	var at any
	if err := json.Unmarshal(text, &at); err != nil {
		die(err)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[name]
		case []any:
			if i, err := strconv.Atoi(name); err == nil && i < len(v) {
				at = v[i]
			} else {
				at = nil
			}
		}
	}
	return at
}

// servingMain runs a command while mlx server serves it: serving [-kill] [FLAG…] -- COMMAND…. It prints what the server said once it
// is ready, ends the server as init would, or as the kernel would with -kill, and then says how that ended.
func servingMain() {
	args := os.Args[1:]
	kill := len(args) > 0 && args[0] == "-kill"
	if kill {
		args = args[1:]
	}
	i := slices.Index(args, "--")
	if i < 0 || i+1 >= len(args) {
		die(fmt.Errorf("usage: serving [-kill] [FLAG…] -- COMMAND…"))
	}
	server := exec.Command("mlx", append([]string{"server"}, args[:i]...)...)
	out, err := server.StdoutPipe()
	if err != nil {
		die(err)
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		die(err)
	}
	cmd := exec.Command(args[i+1], args[i+2:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = os.Environ(), os.Stdout, os.Stderr
	if slices.Contains(args[:i], "--no-token") {
		cmd.Env = append(cmd.Env, "MLFLOW_TRACKING_TOKEN=")
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		assign := strings.TrimPrefix(lines.Text(), "export ")
		if file, ok := strings.CutPrefix(assign, "MLFLOW_TRACKING_TOKEN=$(cat "); ok {
			text, err := os.ReadFile(strings.Trim(strings.TrimSuffix(file, ")"), "'"))
			if err != nil {
				die(err)
			}
			assign = "MLFLOW_TRACKING_TOKEN=" + strings.TrimSpace(string(text))
		}
		cmd.Env = append(cmd.Env, os.ExpandEnv(assign))
		if strings.HasPrefix(assign, "MLFLOW_TRACKING_TOKEN=") || slices.Contains(args[:i], "--no-token") {
			break // the last line
		}
	}
	failed := cmd.Run()
	if kill {
		_ = server.Process.Kill()
	} else {
		_ = server.Process.Signal(syscall.SIGTERM)
	}
	_ = server.Wait()
	fmt.Println("server:", server.ProcessState)
	if failed != nil {
		os.Exit(1)
	}
}

// certMain writes a certificate for localhost that it signs itself: makecert CERT KEY.
func certMain() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		die(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"mlx.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		die(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		die(err)
	}
	for i, block := range []pem.Block{{Type: "CERTIFICATE", Bytes: cert}, {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(os.Args[1+i], pem.EncodeToMemory(&block), 0o600); err != nil {
			die(err)
		}
	}
}
