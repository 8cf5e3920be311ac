package query

func fileStart(c byte) bool { return isASCIIAlnum(c) || c == '_' }

// path returns the end of the file name at i, which begins with /, ./, ../ or ~.
func (z *tokens) path(i int) int {
	switch z.at(i) {
	case '/':
		return z.fileFirst(i + 1)
	case '~':
		if fileStart(z.at(i + 1)) {
			return z.file(i + 1)
		}
		if z.at(i+1) == '/' {
			return z.fileFirst(i + 2)
		}
		return -1
	}
	if z.at(i+1) == '/' {
		return z.fileFirst(i + 2)
	}
	if z.at(i+1) == '.' {
		return z.parent(i + 2)
	}
	return -1
}

// parent goes on behind two dots.
func (z *tokens) parent(i int) int {
	if z.at(i) == '/' {
		if end := z.fileFirst(i + 1); end > 0 {
			return end
		}
		return i
	}
	if i >= len(z.in) || arraySpace(z.in[i]) {
		return i
	}
	return -1
}

// fileFirst goes on behind a slash.
func (z *tokens) fileFirst(i int) int {
	start, end := z.directories(i)
	if start > 0 {
		return z.file(start)
	}
	return end
}

// directories goes over the ./, ../ and ~/ at i. Start is where a file name
// begins behind them, 0 if there is none; end is then the end of the name so far,
// -1 if there is none either.
func (z *tokens) directories(i int) (start, end int) {
	first := i
	for end = -1; !z.memo.file.has(i); {
		c, next := z.at(i), z.at(i+1)
		switch {
		case fileStart(c):
			return i, 0
		case (c == '~' || c == '.') && fileStart(next):
			return i + 1, 0
		case (c == '~' || c == '.') && next == '/':
			i += 2
			continue
		case c == '.' && next == '.' && z.at(i+2) == '/':
			end = i + 2
			i += 3
			first = i
			continue
		case c == '.' && next == '.' && (i+2 >= len(z.in) || arraySpace(z.in[i+2])):
			return 0, i + 2
		case c == '?':
			if over := z.urlPath(i); over > 0 {
				return 0, over
			}
		}
		break
	}
	to := i + 1
	if z.memo.file.has(i) {
		to = z.memo.file.to
	}
	z.memo.file = span{first, to}
	return 0, end
}

// file returns the end of the file name of which a letter or digit is at i.
func (z *tokens) file(i int) int {
	for {
		i = z.run(i, func(c byte) bool { return fileStart(c) || c == '-' })
		switch z.at(i) {
		case '.':
			if !fileStart(z.at(i + 1)) {
				return i
			}
			i++
		case '/':
			start, end := z.directories(i + 1)
			switch {
			case start > 0:
				i = start
			case end > 0:
				return end
			default:
				return i
			}
		case '?':
			if end := z.urlPath(i); end > 0 {
				return end
			}
			return i
		default:
			return i
		}
	}
}

// urlPath returns the end of the query of a URL, whose question mark is at i.
func (z *tokens) urlPath(i int) int {
	over := z.run(i+1, func(c byte) bool { return !arraySpace(c) && c != '"' && c != '\'' })
	if over == i+1 {
		return -1
	}
	return over
}
