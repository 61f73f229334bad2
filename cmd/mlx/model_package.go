package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/image"
	"mlx/internal/registry"
)

type modelPackageOptions struct {
	ref      string
	base     string
	push     string
	form     string
	out      string
	key      string
	platform string
	code     string
	from     string
	command  []string
	verify   bool
	dryRun   bool
}

func newModelPackage(a *app) *cobra.Command {
	var o modelPackageOptions
	cmd := &cobra.Command{
		Use:   "package REF [-- COMMAND…]",
		Short: "Build an image or artifact, without a container daemon",
		Long: `The files of the version lie below /models, in a layer of their own that is not compressed; the code of --code lies in /app; COMMAND
is what the image runs. The same version, code, base and platform give the same digest on any machine. Without --push and -o only the
digest is found and recorded.

Where it goes, statements go with it that your key signs: how it was made (SLSA), what is in it (CycloneDX) and, with an ECDSA key in a
file, the signature of the files that model-signing verifies. Without --key it is the key that git signs with. Credentials are those of
docker login. What is there already is not sent again.

--from takes a package that was made elsewhere, checks every byte and its signature, records it and brings it to --push or -o.`,
		Example: `mlx model package flights@v1
mlx model package flights@v1 --push registry.example/team/flights --dry-run
mlx model package flights@v1 --base base.tar --code HEAD:serve -o flights.tar -- python serve.py
mlx model package flights@v1 --from flights.tar
mlx model package flights@v1 --verify`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				args = args[:dash]
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref, o.command = args[0], args[1:]
			return modelPackageRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeVersions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.base, "base", "", "build on `IMAGE`: of a registry, or an OCI layout in a folder or .tar; default: nothing")
	flags.StringVar(&o.push, "push", "", "send it to `REGISTRY/REPO[:TAG]`; the tag is the version by default")
	flags.StringVar(&o.form, "form", string(image.Image), "`FORM`: image, or modelpack, an artifact of the model format of the CNCF")
	flags.StringVarP(&o.out, "out", "o", "", "write it as one `FILE`, a tar of an OCI layout")
	flags.StringVar(&o.key, "key", "", "sign with the SSH key in `FILE`; of a .pub file, with the ssh-agent's")
	flags.StringVar(&o.platform, "platform", "", "`OS/ARCH` that it is for; default: linux/amd64")
	flags.StringVar(&o.code, "code", "", "add the folder `REV:PATH` of git as /app")
	flags.StringVar(&o.from, "from", "", "take the package at `PLACE`, a file or REGISTRY/REPO:TAG, instead of building one")
	flags.BoolVar(&o.verify, "verify", false, "check every byte of the newest package where it lies, and who signed it; build nothing")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would be done; change nothing")
	completeFlag(cmd, "form", completeWords(string(image.Image), string(image.ModelPack)))
	return cmd
}

// check finds mistakes in the flags before anything is read.
func (o modelPackageOptions) check() error {
	if !slices.Contains(image.Forms(), image.Form(o.form)) {
		return fault.New(fault.Usage, "unknown form %q", o.form).Hint("--form image or --form modelpack")
	}
	if o.verify && (o.push != "" || o.out != "" || o.from != "" || o.base != "" || o.code != "" || len(o.command) > 0 || o.platform != "" || o.key != "" || o.dryRun) {
		return fault.New(fault.Usage, "cannot build and verify at once: --verify checks the newest package that was recorded")
	}
	if o.from != "" && (o.base != "" || o.code != "" || len(o.command) > 0 || o.platform != "" || o.key != "") {
		return fault.New(fault.Usage, "cannot change a package that was made elsewhere: --from goes with --push, -o and --dry-run only")
	}
	if o.form == string(image.ModelPack) && (o.base != "" || len(o.command) > 0 || o.platform != "") {
		return fault.New(fault.Usage, "an artifact of the form modelpack runs nowhere by itself: it has no base, no platform and no command").
			Hint("--form image")
	}
	return nil
}

func modelPackageRun(ctx context.Context, a *app, o modelPackageOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	m, v, err := a.versionNamed(ctx, o.ref)
	if err != nil {
		return err
	}
	if v.Root.IsZero() {
		return fault.New(fault.NotFound, "cannot package %s: mlx does not have its bytes", v.Name()).Hint("mlx show %s", shellWord(v.Name()))
	}
	if o.verify {
		return a.verifyPackage(ctx, v)
	}
	p := &packaging{app: a, o: o, model: m, version: v}
	if p.places, err = a.packagePlaces(o, v); err != nil {
		return err
	}
	if p.known, err = a.packagesOf(ctx, v); err != nil {
		return err
	}
	if !o.dryRun {
		a.typedPlaces(o, p.places)
	}
	if o.from != "" {
		return p.carry(ctx)
	}
	recipe, closer, err := a.recipe(ctx, v, o.made())
	if err != nil {
		return err
	}
	defer func() { a.free([]func() error{closer}) }()
	p.recipe = recipe
	missing, err := p.missing(ctx)
	if err != nil {
		return err
	}
	if o.dryRun {
		return p.emitPlan(missing)
	}
	if len(missing) == 0 && p.newest != nil {
		return p.emit(false)
	}
	if err := p.make(ctx, missing); err != nil {
		return err
	}
	return p.emit(true)
}

// made is what the flags ask to be made.
func (o modelPackageOptions) made() recipeOf {
	return recipeOf{form: image.Form(o.form), base: o.base, platform: o.platform, code: o.code, command: o.command}
}

// packagePlaces are where a package is to go.
func (a *app) packagePlaces(o modelPackageOptions, v *registry.Version) ([]image.At, error) {
	var all []image.At
	if o.out != "" {
		name, err := filepath.Abs(o.out)
		if err != nil {
			return nil, err
		}
		r, err := a.repo()
		if err != nil {
			return nil, err
		}
		if rel, err := r.Rel(o.out); err == nil {
			name = rel
		}
		all = append(all, image.At{Kind: image.InFile, Name: filepath.ToSlash(name)})
	}
	if o.push != "" {
		name, err := image.RegistryName(o.push, "v"+numberWord(v.Version))
		if err != nil {
			return nil, err
		}
		all = append(all, image.At{Kind: image.InRegistry, Name: name})
	}
	return all, nil
}

// reached is where a place of a record is found from here.
func (a *app) reached(at image.At) (image.At, error) {
	if at.Kind != image.InFile || filepath.IsAbs(filepath.FromSlash(at.Name)) {
		return at, nil
	}
	r, err := a.repo()
	if err != nil {
		return at, err
	}
	at.Name = r.Abs(at.Name)
	return at, nil
}

// access is how registries are spoken to.
func (a *app) access() image.Access { return image.Access{UserAgent: "mlx/" + mlxVersion()} }

// packageSigner is who signs a package: nil where no key is named and git has none either.
func (a *app) packageSigner(ctx context.Context, file string) (*stampKey, error) {
	if file == "" {
		r, err := a.repo()
		if err != nil {
			return nil, err
		}
		found, err := r.SigningKey(ctx)
		if err != nil || found == "" {
			return nil, err
		}
		file = found
	}
	s, err := a.signer(ctx, file)
	if err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	known, err := a.signers(ctx, l)
	if err != nil {
		return nil, err
	}
	if !counts(known, s.Fingerprint()) {
		return nil, fault.New(fault.Denied, "cannot sign the package: key %s is not trusted here, so that nobody would believe it", s.Fingerprint()).
			Hint("mlx key add FILE.pub   # the public half of %s", shellWord(strings.TrimSuffix(file, ".pub")))
	}
	return &stampKey{signer: image.Signer{Fingerprint: s.Fingerprint(), Public: s.Public(), Sign: s.SignEnvelope}, ecdsa: s.ECDSA()}, nil
}

// bringModel does something with the bytes of a version, which are fetched first where they are not here.
func (a *app) bringModel(ctx context.Context, v *registry.Version, do func() error) (err error) {
	o, err := a.hereOrigin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	return a.reading(ctx, piece{located: located{Path: v.Path, Root: v.Root}, from: o}, nil, do)
}
