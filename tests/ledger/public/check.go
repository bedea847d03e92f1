// Checks what our ledger gives away with code that is not ours: golang.org/x/mod/sumdb, the signed notes and the
// transparency log of Go's own checksum database. It knows nothing of kiosks.
//
//	check export FOLDER VKEY             every tile and entry of an export, against its signed checkpoint
//	check proof FILE ENTRY VKEY          a proof of one entry (c2sp.org/tlog-proof)
//	check growth FILE OLD-CHECKPOINT VKEY   a consistency proof (c2sp.org/tlog-witness)
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of a tile: 256 hashes

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(name string) []byte {
	content, err := os.ReadFile(name)
	must(err)
	return content
}

// signed opens a checkpoint: its signature, then its three lines.
func signed(text []byte, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	must(err)
	opened, err := note.Open(text, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		must(fmt.Errorf("not a checkpoint of %s", verifier.Name()))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	hash, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: hash}
}

// tiles reads the layout of c2sp.org/tlog-tiles, which has no height in its paths.
type tiles struct{ folder string }

func (t tiles) Height() int { return height }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		content, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

// entries reads one bundle: each entry behind its length, two bytes.
func entries(folder string, index, size int64) [][]byte {
	tile := tlog.Tile{H: height, L: 0, N: index, W: int(min(256, size-256*index))}
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
	rest, found := read(filepath.Join(folder, path)), [][]byte(nil)
	for len(rest) > 0 {
		if len(rest) < 2 || len(rest) < 2+int(binary.BigEndian.Uint16(rest)) {
			must(fmt.Errorf("%s: cut off", path))
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		found, rest = append(found, rest[2:end]), rest[end:]
	}
	if len(found) != tile.W {
		must(fmt.Errorf("%s: %d entries, not %d", path, len(found), tile.W))
	}
	return found
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func export(folder, vkey string) {
	tree := signed(read(filepath.Join(folder, "checkpoint")), vkey)
	hashes := tlog.TileHashReader(tree, tiles{folder})
	for first := int64(0); first < tree.N; first += 256 {
		for at, entry := range entries(folder, first/256, tree.N) {
			proof, err := tlog.ProveRecord(tree.N, first+int64(at), hashes)
			must(err)
			must(tlog.CheckRecord(proof, tree.N, tree.Hash, first+int64(at), tlog.RecordHash(entry)))
		}
		old := first + 1
		oldHash, err := tlog.TreeHash(old, hashes)
		must(err)
		growth, err := tlog.ProveTree(tree.N, old, hashes)
		must(err)
		must(tlog.CheckTree(growth, tree.N, tree.Hash, old, oldHash))
	}
	fmt.Printf("%d entries\n", tree.N)
}

// halves parts a proof from the checkpoint behind its first blank line.
func halves(file string) ([]string, []byte) {
	head, checkpoint, found := strings.Cut(string(read(file)), "\n\n")
	if !found {
		must(fmt.Errorf("%s: no checkpoint", file))
	}
	return strings.Split(head, "\n"), []byte(checkpoint)
}

func path(lines []string) []tlog.Hash {
	var hashes []tlog.Hash
	for _, line := range lines {
		content, err := base64.StdEncoding.DecodeString(line)
		must(err)
		if len(content) != tlog.HashSize {
			must(fmt.Errorf("%q is no hash", line))
		}
		hashes = append(hashes, tlog.Hash(*(*[tlog.HashSize]byte)(content)))
	}
	return hashes
}

func number(line, name string) int64 {
	n, err := strconv.ParseInt(strings.TrimPrefix(line, name+" "), 10, 64)
	must(err)
	return n
}

func proof(file, entry, vkey string) {
	lines, checkpoint := halves(file)
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		must(fmt.Errorf("%s: not a proof", file))
	}
	tree, index := signed(checkpoint, vkey), number(lines[1], "index")
	must(tlog.CheckRecord(path(lines[2:]), tree.N, tree.Hash, index, tlog.RecordHash(read(entry))))
	fmt.Printf("entry %d of %d\n", index, tree.N)
}

func growth(file, old, vkey string) {
	lines, checkpoint := halves(file)
	tree, before := signed(checkpoint, vkey), signed(read(old), vkey)
	if number(lines[0], "old") != before.N {
		must(fmt.Errorf("%s: not from %d", file, before.N))
	}
	must(tlog.CheckTree(path(lines[1:]), tree.N, tree.Hash, before.N, before.Hash))
	fmt.Printf("from %d to %d\n", before.N, tree.N)
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "export" {
		export(os.Args[2], string(read(os.Args[3])))
	} else if len(os.Args) == 5 && os.Args[1] == "proof" {
		proof(os.Args[2], os.Args[3], string(read(os.Args[4])))
	} else if len(os.Args) == 5 && os.Args[1] == "growth" {
		growth(os.Args[2], os.Args[3], string(read(os.Args[4])))
	} else {
		must(fmt.Errorf("check export FOLDER VKEY | proof FILE ENTRY VKEY | growth FILE OLD-CHECKPOINT VKEY"))
	}
}
