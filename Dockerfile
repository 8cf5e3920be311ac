# The image has the static binary, the certificate authorities and the time zones,
# and nothing else: no shell, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# docker build --build-arg VERSION="$(git describe --tags --always)" .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.stamp=$VERSION" -o /out/vigil ./cmd/vigil
# The licences of what is linked in: NOTICE.md.
RUN mkdir -p /out/usr/share/licenses/go && cp NOTICE.md /out/usr/share/licenses/ \
 && cp "$(go env GOROOT)/LICENSE" /out/usr/share/licenses/go/ \
 && go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}' ./cmd/vigil | sort -u \
  | while read -r module dir; do \
      mkdir -p "/out/usr/share/licenses/$module" \
      && find "$dir" -maxdepth 1 \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) -exec cp {} "/out/usr/share/licenses/$module/" \; ; \
    done
# A new volume takes over the owner of the directory that it is mounted on.
RUN mkdir -p -m 0700 /out/var/lib/vigil /out/var/lib/vigil-guard \
 && mkdir -p /out/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/etc/zoneinfo.zip \
 && chown -R 65532:65532 /out/var/lib/vigil /out/var/lib/vigil-guard

FROM scratch
COPY --from=build /out/ /
ENV ZONEINFO=/etc/zoneinfo.zip \
    VIGIL_STORE=dir:/var/lib/vigil/data \
    VIGIL_GUARD=/var/lib/vigil-guard \
    VIGIL_LISTEN=0.0.0.0:3000
WORKDIR /var/lib/vigil
USER 65532:65532
VOLUME ["/var/lib/vigil", "/var/lib/vigil-guard"]
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/vigil", "health"]
ENTRYPOINT ["/vigil"]
CMD ["serve"]
