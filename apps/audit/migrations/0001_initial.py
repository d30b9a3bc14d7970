import apps.core.ids
import apps.core.streams.fields
import django.db.models.functions.datetime
from django.db import migrations, models

from apps.core.streams.operations import CreatePartitionedModel, MakeAppendOnly


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        CreatePartitionedModel(
            name='AuditEntry',
            every='month',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('xid', apps.core.streams.fields.XidField()),
                ('seq', apps.core.streams.fields.SequenceField()),
                ('ts', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='time')),
                ('tenant_id', models.UUIDField(help_text='Empty: an act that concerns the whole installation.', null=True)),
                ('actor_kind', models.CharField(max_length=8)),
                ('actor_id', models.CharField(max_length=64)),
                ('actor_name', models.CharField(max_length=200)),
                ('on_behalf_of', models.CharField(blank=True, default='', max_length=200)),
                ('action', models.CharField(max_length=64)),
                ('target_kind', models.CharField(blank=True, default='', max_length=32)),
                ('target_id', models.UUIDField(null=True)),
                ('target_name', models.CharField(blank=True, default='', max_length=200)),
                ('before', models.JSONField(null=True)),
                ('after', models.JSONField(null=True)),
                ('reason', models.CharField(blank=True, default='', max_length=2000)),
                ('outcome', models.CharField(choices=[('done', 'Done'), ('refused', 'Refused')], default='done', max_length=8)),
                ('permission', models.CharField(blank=True, default='', help_text='What a refused act would take.', max_length=100)),
                ('request_id', models.CharField(blank=True, default='', max_length=64)),
                ('address', models.GenericIPAddressField(null=True)),
                ('agent', models.CharField(blank=True, default='', max_length=300)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['xid', 'seq'], name='audit_in_order'), models.Index(fields=['tenant_id', '-id'], name='audit_by_tenant'), models.Index(fields=['target_id', '-seq'], name='audit_by_target'), models.Index(fields=['actor_id', '-id'], name='audit_by_actor')],
                'constraints': [models.CheckConstraint(condition=models.Q(('outcome__in', ['done', 'refused'])), name='audit_outcome_known'), models.CheckConstraint(condition=models.Q(('actor_kind__in', ['person', 'service', 'robot', 'system'])), name='audit_actor_known')],
            },
        ),
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('tenant_id', models.UUIDField(editable=False, null=True)),
                ('number', models.PositiveIntegerField(editable=False)),
                ('previous', models.BinaryField(max_length=32)),
                ('count', models.PositiveIntegerField(editable=False)),
                ('members', models.BinaryField()),
                ('root', models.BinaryField(max_length=32)),
                ('last_xid', models.BigIntegerField(editable=False)),
                ('last_seq', models.BigIntegerField(editable=False)),
                ('dropped_before', models.DateTimeField(editable=False, null=True)),
                ('hash', models.BinaryField(max_length=32)),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['-last_xid', '-last_seq'], name='audit_seal_newest')],
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'number'), name='audit_seal_numbered', nulls_distinct=False)],
            },
        ),
        MakeAppendOnly('AuditSeal'),
    ]
