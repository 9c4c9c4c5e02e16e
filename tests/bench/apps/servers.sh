# SPDX-License-Identifier: MIT
# Read by init: servers and what is asked of them, on the CPU that their clients have too; $jobs clients or workers at once. start_NAME returns when it answers.
servers="pgbench mariadb nginx apache"
transactions=1000
requests=1000

# answers COMMAND...: in a minute of the machine's own time
answers() {
	for _ in $(seq 600); do
		"$@" > /tmp/answer 2>&1 && return
		kill -0 "$pid" 2> /dev/null || break
		sleep 0.1
	done
	tail -n 20 /tmp/answer /tmp/server
	end "failed: $server does not answer"
}

must() {
	"$@" > /tmp/answer 2>&1 || { tail -n 20 /tmp/answer /tmp/server; end "failed: $*"; }
}

# serve COMMAND...
serve() {
	"$@" > /tmp/server 2>&1 &
	pid=$!
}

stop() {
	kill "$pid"
	wait "$pid"
}

as_postgres="setpriv --reuid postgres --regid postgres --init-groups"

start_pgbench() {
	bin=$(echo /usr/lib/postgresql/*/bin) data=$(echo /var/lib/postgresql/*/main)
	mkdir -p /run/postgresql
	chown postgres /run/postgresql
	serve $as_postgres "$bin/postgres" -D "$data" -c config_file="$(echo /etc/postgresql/*/main/postgresql.conf)" -c listen_addresses= -c ssl=off
	answers $as_postgres psql -c 'select 1'
	must $as_postgres psql -c 'create database bench'
	must $as_postgres pgbench -i -q bench
}

# Deterministic: the amounts and accounts come from the seed.
measure_pgbench() {
	measured pgbench $transactions $as_postgres "$bin/pgbench" -n -c $jobs -j $jobs -t $((transactions / jobs)) --random-seed=1 bench
}

# statements FIRST: those of one client. Each transaction reads four rows by key and a range, changes one, and adds one.
statements() {
	awk -v first_one=$1 -v step=$jobs -v count=$transactions 'BEGIN { for (i = first_one; i <= count; i += step) {
		print "begin;"
		for (j = 0; j < 4; j++) print "select filler from item where id = " 1 + (i * 7919 + j * 104729) % 10000 ";"
		first = 1 + (i * 6151) % 9900
		print "select sum(amount) from item where id between " first " and " first + 20 ";"
		print "update item set amount = amount + 1 where id = " 1 + (i * 3571) % 10000 ";"
		print "insert into history (item, filler) values (" i ", repeat(\"x\", 60));"
		print "commit;" } }'
}

start_mariadb() {
	mkdir -p /run/mysqld
	chown mysql /run/mysqld
	# Files in memory take no direct I/O.
	serve mariadbd --user=mysql --skip-networking --innodb-flush-method=fsync --innodb-use-native-aio=0
	answers mariadb -e 'select 1'
	must mariadb -e 'create database bench'
	must mariadb bench -e 'create table item (id int primary key, amount int, filler char(60)) engine=innodb;
		insert into item select seq, seq % 97, repeat("y", 60) from seq_1_to_10000;
		create table history (id int auto_increment primary key, item int, filler char(60)) engine=innodb'
	for client in $(seq $jobs); do statements $client > /tmp/statements.$client; done
}

measure_mariadb() {
	measured mariadb $transactions sh -c 'for file in /tmp/statements.*; do mariadb bench < $file > /dev/null || touch /tmp/failed & done; wait; [ ! -e /tmp/failed ]'
}

page() {
	mkdir -p /tmp/www
	head -c 10240 /tmp/data > /tmp/www/page
}

# measure_web NAME PORT: each request is a connection
measure_web() {
	measured "$1" $requests sh -c "ab -q -n $requests -c 4 http://127.0.0.1:$2/page > /tmp/ab && grep -q '^Failed requests: *0$' /tmp/ab"
}

start_nginx() {
	page
	cat > /tmp/nginx.conf <<-END
		user www-data;
		worker_processes $jobs;
		daemon off;
		pid /run/nginx.pid;
		error_log stderr;
		events { worker_connections 256; }
		http { access_log /tmp/nginx.log; server { listen 127.0.0.1:80; root /tmp/www; } }
	END
	mkdir -p /var/lib/nginx /var/log/nginx
	serve nginx -c /tmp/nginx.conf
	answers ab -q -n 10 http://127.0.0.1:80/page
}

measure_nginx() {
	measure_web nginx 80
}

start_apache() {
	page
	cat > /tmp/apache.conf <<-END
		ServerRoot /usr/lib/apache2
		ServerName localhost
		LoadModule mpm_event_module modules/mod_mpm_event.so
		LoadModule authz_core_module modules/mod_authz_core.so
		User www-data
		Group www-data
		Listen 127.0.0.1:81
		PidFile /run/apache.pid
		ErrorLog /tmp/apache-errors.log
		CustomLog /tmp/apache.log "%h %l %u %t \"%r\" %>s %b"
		DocumentRoot /tmp/www
		<Directory /tmp/www>
			Require all granted
		</Directory>
	END
	serve apache2 -X -f /tmp/apache.conf
	answers ab -q -n 10 http://127.0.0.1:81/page
}

measure_apache() {
	measure_web apache 81
}
